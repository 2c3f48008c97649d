/**
 * Overlay: elements on top of Plotly's drawing. These are labels with the newest values, at the
 * right edge, a button that is shown while the chart is paused, and a note about the chart.
 */

/** @import { FigureNote } from "../messages.d.ts" */
/** @import { Label, Range } from "./types.d.ts" */

const LABEL_HEIGHT_PX = 17;
/** The height of a label where many must fit: their text is just readable. */
const MIN_LABEL_HEIGHT_PX = 12;
/** The space between a label and the edges of its room. */
const LABEL_MARGIN_PX = 4;
/** How many widths of texts are kept. */
const MAX_WIDTHS = 200;

const STYLE = `
.tickerkit-figure { position: relative; flex: 1 1 auto; min-width: 0; }
.tickerkit-value { position: absolute; left: 0; top: 0; padding: 0 4px; border-radius: 3px;
  font: 11px/16px "Open Sans", verdana, arial, sans-serif; white-space: nowrap;
  font-variant-numeric: tabular-nums; pointer-events: none; will-change: transform; }
.tickerkit-value.compact { font-size: 10px; line-height: 12px; }
.tickerkit-note { position: absolute; left: 50%; transform: translateX(-50%); z-index: 4;
  box-sizing: border-box; max-width: 90%; padding: 2px 10px; border-radius: 4px;
  font: 12px/18px "Open Sans", verdana, arial, sans-serif; text-align: center;
  color: #24292f; background: #e7ebef; pointer-events: none; overflow-wrap: anywhere; }
.tickerkit-note[data-kind="lost"] { background: #ffd8a8; font-weight: 600; }
.tickerkit-note[data-kind="waiting"] { font-size: 13px; padding: 6px 14px; }
.tickerkit-note[hidden] { display: none; }
.tickerkit-lost > :not(.tickerkit-note, .tickerkit-chip) { filter: grayscale(1); opacity: .5; }
.tickerkit-empty > .js-plotly-plot { visibility: hidden; }
.tickerkit-chip { position: absolute; left: 50%; transform: translateX(-50%); z-index: 5;
  padding: 3px 10px; border: 1px solid rgba(128,128,128,.5); border-radius: 12px; cursor: pointer;
  font: 12px/18px "Open Sans", verdana, arial, sans-serif; color: #24292f; background: #fff6d6; }
.tickerkit-chip:hover, .tickerkit-chip:focus-visible { background: #ffe9a3; }
.tickerkit-chip b { font-weight: 600; text-decoration: underline; }
.tickerkit-chip[hidden] { display: none; }`;

/** @typedef {{element: HTMLElement, width: number, shape: string, color?: string}} OwnLabel */

/** The button and the labels of one view. */
export class Overlay {
  #box;
  #button = document.createElement("button");
  #text = document.createTextNode("");
  #note = document.createElement("div");
  /** By the keys of their labels. @type {Map<string, OwnLabel>} */
  #labels = new Map();
  /** Of texts, with each digit as 0: digits are equally wide. @type {Map<string, number>} */
  #widths = new Map();
  /** The right end of the figure; null if it must be measured. @type {number | null} */
  #right = null;

  /**
   * @param {HTMLElement} box
   * @param {() => void} onResume
   */
  constructor(box, onResume) {
    this.#box = box;
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.#button.type = "button";
    this.#button.className = "tickerkit-chip";
    this.#button.hidden = true;
    this.#button.title = "Follow the newest points again (or double click the chart)";
    const resume = document.createElement("b");
    resume.textContent = "resume";
    this.#button.append(this.#text, resume);
    this.#button.addEventListener("click", onResume);
    this.#note.className = "tickerkit-note";
    this.#note.setAttribute("role", "status");
    this.#note.hidden = true;
    box.append(style, this.#button, this.#note);
  }

  /**
   * Show a note at the bottom of the plot; in the middle if the chart is empty.
   *
   * @param {Partial<FigureNote>} note
   * @param {boolean} isEmpty whether to hide the plot, since its axes mean nothing yet
   * @param {number} bottom the space below the plot, in pixels
   */
  showNote({ kind = "info", text = "" }, isEmpty, bottom) {
    if (this.#note.textContent !== text) this.#note.textContent = text;
    this.#note.hidden = !text;
    this.#note.dataset.kind = kind;
    const hidesPlot = isEmpty && kind === "waiting" && text !== "";
    this.#note.style.top = hidesPlot ? "40%" : "";
    this.#note.style.bottom = hidesPlot ? "" : `${bottom + 6}px`;
    this.#box.classList.toggle("tickerkit-empty", hidesPlot);
    this.#box.classList.toggle("tickerkit-lost", kind === "lost");
  }

  hideButton() {
    this.#button.hidden = true;
  }

  /**
   * Show the button of a paused chart.
   *
   * @param {string} since the time of day of the newest point that is shown
   * @param {number} points how many points have come since
   * @param {number} top the height of the legend, below which the button is, in pixels
   */
  showButton(since, points, top) {
    this.#button.hidden = false;
    this.#button.style.top = `${top + 6}px`;
    const text = `paused at ${since}, ${points.toLocaleString("en-US")} new, `;
    if (this.#text.data !== text) this.#text.data = text;
  }

  /** The figure has another size, or is shown for the first time. */
  noteResize() {
    this.#right = null;
    this.#widths.clear();
  }

  /**
   * Show these labels, and no others; if they don't fit, only the first ones.
   *
   * @param {Label[]} labels
   * @returns how wide the margin on the right of the plot must be to hold them, in pixels
   */
  showLabels(labels) {
    const gone = new Set(this.#labels.keys());
    let width = 0;
    const { placed, height } = placeLabels(labels);
    // First all texts, then all widths, then all places: the browser computes the layout only once,
    // and not at all if nothing has to be measured.
    const changed = placed.filter((label) => this.#writeLabel(label, height));
    for (const { key } of changed) {
      const own = /** @type {OwnLabel} */ (this.#labels.get(key));
      own.width = own.element.offsetWidth;
      if (this.#widths.size >= MAX_WIDTHS) this.#widths.clear();
      if (own.width) this.#widths.set(own.shape, own.width); // 0 while the page hides it
    }
    // 0 while the page hides the figure, such as JupyterLab while it changes its theme.
    if (placed.length) this.#right ||= this.#box.clientWidth;
    const right = (this.#right ?? 0) - 1;
    for (const label of placed) {
      gone.delete(label.key);
      const own = this.#placeLabel(label, height, right);
      if (!label.isInside) width = Math.max(width, own + LABEL_MARGIN_PX + 1);
    }
    for (const key of gone) {
      this.#labels.get(key)?.element.remove();
      this.#labels.delete(key);
    }
    return width;
  }

  /**
   * @param {Label} label
   * @param {number} height
   * @returns whether its width must be measured
   */
  #writeLabel({ key, text, color, ink }, height) {
    let label = this.#labels.get(key);
    if (!label) {
      label = { element: document.createElement("div"), width: 0, shape: "" };
      label.element.className = "tickerkit-value";
      this.#labels.set(key, label);
      this.#box.append(label.element);
    }
    const { element } = label;
    // Set only what has changed: setting a property makes the browser compute the layout.
    if (label.color !== color) [element.style.backgroundColor, element.style.color] = [color, ink];
    label.color = color;
    const isCompact = height < LABEL_HEIGHT_PX;
    if (element.textContent === text && element.classList.contains("compact") === isCompact) {
      return false;
    }
    element.classList.toggle("compact", isCompact);
    element.textContent = text;
    label.shape = (isCompact ? "-" : "+") + text.replaceAll(/\d/g, "0");
    const width = this.#widths.get(label.shape);
    if (width !== undefined) label.width = width;
    return width === undefined;
  }

  /**
   * @param {Label} label
   * @param {number} height
   * @param {number} right the right end of the figure
   * @returns its width
   */
  #placeLabel({ key, isInside, x, y }, height, right) {
    const { element, width } = /** @type {OwnLabel} */ (this.#labels.get(key));
    const left = Math.min(isInside ? x - width : x, right - width);
    element.style.transform = `translate(${left}px, ${Math.round(y - height / 2)}px)`;
    return width;
  }
}

/**
 * Return where to show labels, from top to bottom, and their height; of a pane only the first ones
 * if they don't fit into it.
 *
 * @param {Label[]} labels
 */
export function placeLabels(labels) {
  const panes = groupByPane(labels);
  const isCompact = panes.some((pane) => measureRoom(pane) / pane.length < LABEL_HEIGHT_PX);
  const height = isCompact ? MIN_LABEL_HEIGHT_PX : LABEL_HEIGHT_PX;
  const placed = panes.flatMap((pane) => {
    const shown = pane.slice(0, Math.max(1, Math.floor(measureRoom(pane) / height)));
    return moveApart(shown, height, pane[0].area);
  });
  return { placed, height };
}

/** @param {Label[]} pane */
const measureRoom = ([{ area }]) => area[1] - area[0];

/**
 * Return labels from the top pane to the lowest; axes whose areas overlap are in one pane, whose
 * area all its labels get.
 *
 * @param {Label[]} labels
 */
function groupByPane(labels) {
  const sorted = [...labels].sort((one, other) => one.area[0] - other.area[0]);
  /** @type {Label[][]} */
  const panes = [];
  let bottom = -Infinity;
  for (const label of sorted) {
    if (label.area[0] >= bottom) panes.push([]);
    bottom = Math.max(bottom, label.area[1]);
    panes.at(-1)?.push(label);
  }
  return panes.map((pane) => {
    const [top, end] = [pane[0].area[0], Math.max(...pane.map(({ area }) => area[1]))];
    return pane.map((label) => ({ ...label, area: /** @type {Range} */ ([top, end]) }));
  });
}

/**
 * Return labels from top to bottom, moved apart where they would overlap, inside of an area.
 *
 * @param {Label[]} labels
 * @param {number} height of one label
 * @param {Range} area the top and the bottom; it has room for the labels
 */
export function moveApart(labels, height, [top, bottom]) {
  const placed = labels.map((each) => ({ ...each })).sort((one, other) => one.y - other.y);
  let next = top + height / 2;
  for (const label of placed) {
    label.y = Math.max(label.y, next);
    next = label.y + height;
  }
  next = bottom - height / 2;
  for (const label of [...placed].reverse()) {
    label.y = Math.min(label.y, next);
    next = label.y - height;
  }
  return placed;
}
