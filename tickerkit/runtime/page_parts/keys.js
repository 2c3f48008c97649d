/**
 * Keys: what is typed into a widget stays in the widget, also in a cell of JupyterLab.
 */

/**
 * Keep JupyterLab from taking the keys of a widget for its own shortcuts; `dd` would delete a cell.
 *
 * JupyterLab asks the element that has the focus whether it wants its keys for itself, and not only
 * those around it. In a cell it also swallows the line break by which Enter submits a form.
 *
 * @param {HTMLElement} element
 */
export function keepKeys(element) {
  element.dataset.lmSuppressShortcuts = "true";
  element.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLElement) target.dataset.lmSuppressShortcuts = "true";
  });
  element.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.key !== "Enter" || event.isComposing || !(target instanceof HTMLInputElement)) return;
    if (!target.form) return;
    event.preventDefault();
    target.form.requestSubmit();
  });
}
