/**
 * Text widths: how wide texts are, without a layout of the page.
 */

const MAX_SHAPES = 5000;

export class TextWidths {
  #context = document.createElement("canvas").getContext("2d");
  /** By the texts with each digit as 0: digits are equally wide. @type {Map<string, number>} */
  #widths = new Map();
  #font = "";

  /** From now on, measure in the font of an element. @param {HTMLElement} element */
  setFont(element) {
    const { fontSize, fontFamily } = getComputedStyle(element);
    const font = `${fontSize} ${fontFamily}`;
    if (font === this.#font) return;
    this.#font = font;
    this.#widths.clear();
  }

  /**
   * Return the width of a text in pixels.
   *
   * @param {string} text
   * @param {number} weight of the font
   */
  measure(text, weight = 400) {
    const shape = weight + text.replaceAll(/\d/g, "0");
    let width = this.#widths.get(shape);
    if (width === undefined) {
      const context = /** @type {CanvasRenderingContext2D} */ (this.#context);
      context.font = `${weight} ${this.#font}`;
      width = Math.ceil(context.measureText(shape.slice(3)).width) + 1;
      if (this.#widths.size >= MAX_SHAPES) this.#widths.clear();
      this.#widths.set(shape, width);
    }
    return width;
  }
}
