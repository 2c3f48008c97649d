/**
 * Slot: the place of another widget's view in the page of a dashboard.
 *
 * The manager of the page's widgets makes the view, as it does for a VBox. The host that anywidget
 * hands out since 0.11 would do the same, but older versions have none.
 */

/** @typedef {{el: HTMLElement, remove(): void}} WidgetView */
/** @typedef {{get_model(id: string): Promise<any>, create_view(model: any): Promise<WidgetView>}}
 *    Manager */

const REFERENCE = "IPY_MODEL_";

export class Slot {
  #element;
  /** @type {WidgetView | null} */
  #view = null;
  /** The reference of the widget that is shown or being shown; "" for none. */
  #reference = "";

  /** @param {HTMLElement} element where the view goes */
  constructor(element) {
    this.#element = element;
  }

  /**
   * Show a widget in place of the one before. Where it can't be shown, the slot says why.
   *
   * @param {Manager} manager
   * @param {string} reference as a trait of another widget has it: "IPY_MODEL_…"
   */
  async show(manager, reference) {
    if (reference === this.#reference) return;
    this.remove();
    this.#reference = reference;
    if (!reference) return;
    try {
      const model = await manager.get_model(reference.slice(REFERENCE.length));
      const view = await manager.create_view(model);
      if (this.#reference === reference) {
        this.#view = view;
        this.#element.replaceChildren(view.el);
      } else {
        view.remove();
      }
    } catch (error) {
      console.error(error);
      if (this.#reference !== reference) return;
      this.#element.textContent = `It can't be shown: ${/** @type {Error} */ (error).message}`;
    }
  }

  remove() {
    this.#reference = "";
    this.#view?.remove();
    this.#view = null;
    this.#element.replaceChildren();
  }
}
