/**
 * Watch row: the elements of one row of the watchlist. It writes only what changed.
 */

import { make, setText } from "../../runtime/page_parts/elements.js";
import { drawSpark } from "./spark.js";
import { writeLast } from "./watch_columns.js";
import { ageOf, stateOf } from "./watch_rows.js";
import { formatAge, formatLag, levelOf, MISSING, shapeOf } from "./written_values.js";

/** @import { DeskColors } from "./spark.js" */
/** @import { WatchColumn } from "./watch_columns.js" */
/** @import { WatchRow } from "./watch_rows.js" */

/** @type {Record<string, string>} */
const ARROWS = { 1: "▲", "-1": "▼" };
const SPARK_HEIGHT_PX = 22;
const FLASH_MS = 450;

export class RowElement {
  #columns;
  /** @type {HTMLElement[]} */
  #cells;
  /** @type {WatchRow | null} */
  #row = null;
  #drawn = -1; // the count of the row's last change that is drawn
  /** @type {number | null | undefined} */
  #last;
  #spark = "";

  /**
   * @param {WatchColumn[]} columns
   * @param {string} id
   */
  constructor(columns, id) {
    this.#columns = columns;
    this.#cells = columns.map((column) => makeCell(column));
    this.element = make("div", { role: "row", class: "tkd-row", id }, this.#cells);
  }

  /** Draw all of it the next time. */
  forget() {
    this.#row = null;
    this.#drawn = -1;
    this.#spark = "";
  }

  /**
   * @param {number} index among the rows that are shown
   * @param {number} height of a row in pixels
   * @param {{isChosen: boolean, isCursor: boolean}} state
   */
  place(index, height, { isChosen, isCursor }) {
    const { element } = this;
    element.style.transform = `translateY(${index * height}px)`;
    writeAttribute(element, "aria-rowindex", String(index + 2));
    writeAttribute(element, "aria-selected", String(isChosen));
    element.classList.toggle("tkd-cursor", isCursor);
  }

  /**
   * @param {WatchRow} row
   * @param {number} now in ms
   * @param {DeskColors} colors
   */
  draw(row, now, colors) {
    const isSame = row === this.#row;
    const hasChanged = !isSame || row.changed !== this.#drawn;
    this.#columns.forEach((column, at) => {
      const cell = this.#cells[at];
      if (column.key === "age") setText(cell, column.write(row, now));
      if (!hasChanged) return;
      if (column.key === "last") this.#drawLast(cell, row, isSame && colors);
      else if (column.key === "spark") this.#drawSpark(cell, row, colors);
      else if (column.key === "state") drawState(cell, row);
      else if (column.key !== "age") setText(cell, column.write(row, now));
      if (column.key === "change") cell.dataset.move = String(Math.sign(row.change ?? 0));
      if (column.key === "symbol" || column.key === "feed")
        writeAttribute(cell, "title", cell.textContent);
    });
    if (!hasChanged) return;
    this.element.classList.toggle("tkd-stale", row.is_stale);
    writeAttribute(this.element, "title", describe(row, now));
    this.#row = row;
    this.#drawn = row.changed;
    this.#last = row.last;
  }

  /**
   * @param {HTMLElement} cell
   * @param {WatchRow} row
   * @param {false | DeskColors} colors to flash in, if the cell showed this row before
   */
  #drawLast(cell, row, colors) {
    const [arrow, label, number, unit] = /** @type {HTMLCollectionOf<HTMLElement>} */ (
      cell.children
    );
    const [before, value, after] = writeLast(row);
    setText(arrow, value === MISSING ? "" : (ARROWS[row.move] ?? ""));
    setText(label, before);
    setText(number, value);
    setText(unit, after);
    cell.dataset.move = value === MISSING ? "0" : String(row.move);
    if (!colors || row.last === this.#last || !row.move || !flashes()) return;
    const tint = row.move > 0 ? colors.riseTint : colors.fallTint;
    cell.animate({ backgroundColor: [tint, "transparent"] }, FLASH_MS);
  }

  /**
   * @param {HTMLElement} cell
   * @param {WatchRow} row
   * @param {DeskColors} colors
   */
  #drawSpark(cell, row, colors) {
    const values = [...(row.spark ?? []), row.last];
    const key = `${row.id} ${values.join()}`;
    if (key === this.#spark) return;
    this.#spark = key;
    const size = { width: cell.clientWidth, height: SPARK_HEIGHT_PX, ratio: devicePixelRatio };
    const canvas = /** @type {HTMLCanvasElement} */ (cell.children[0]);
    if (size.width) drawSpark(canvas, values, size, colors);
  }
}

const calm = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)");
const flashes = () => !calm?.matches;

/** @param {WatchColumn} column */
function makeCell({ key, isText }) {
  const cell = make("div", {
    role: "gridcell",
    class: "tkd-cell",
    "data-key": key,
    "data-side": isText ? "start" : "end",
  });
  if (key === "spark") cell.append(make("canvas", { "aria-hidden": "true" }));
  if (key === "last") {
    cell.append(
      make("span", { class: "tkd-arrow", "aria-hidden": "true" }),
      ...["tkd-dim", "tkd-value", "tkd-dim"].map((name) => make("span", { class: name })),
    );
  }
  if (key === "state") {
    cell.append(make("span", { class: "tkd-shape", "aria-hidden": "true" }), make("span"));
  }
  return cell;
}

/**
 * @param {HTMLElement} cell
 * @param {WatchRow} row
 */
function drawState(cell, row) {
  const state = stateOf(row);
  const [shape, word] = /** @type {HTMLCollectionOf<HTMLElement>} */ (cell.children);
  setText(shape, shapeOf(state));
  setText(word, state);
  cell.dataset.level = levelOf(state);
}

/**
 * @param {WatchRow} row
 * @param {number} now
 */
function describe(row, now) {
  const state = row.is_stale ? "from before the server began again" : row.status;
  return [
    `${row.symbol}: ${row.detail || state}`,
    `newest tick ${formatAge(ageOf(row, now))} ago`,
    row.pace_s ? `usually one every ${formatAge(row.pace_s)}` : "",
    row.lag_ms === null ? "" : `lag ${formatLag(row.lag_ms)}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {string} value
 */
function writeAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
