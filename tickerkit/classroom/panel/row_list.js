/**
 * RowList: the rows of a panel that pass the filter. Only those in view are elements.
 */

import { formatCount, formatTime, make, setText } from "../../runtime/page_parts/elements.js";
import { makeVisible, summarizePayload } from "./payload.js";
import { FLAGS } from "./ring.js";

/** @import { Ring, Row } from "./ring.js" */

/** The height of a row in pixels, as panel.css has it. */
const ROW_HEIGHT = 22;
/** How many rows beyond the edges are drawn, so that scrolling shows no white. */
const MARGIN_ROWS = 4;
/** How near to the end the list still follows. */
const END_PIXELS = ROW_HEIGHT;
/** The slope of an arrow in the ladder: pixels for each second that the tap keeps a frame. */
const DROP_PER_S = 40;
const MAX_DROP = 16;
/** A frame that the tap kept for less is shown as one that passed at once. */
const MIN_LATE_US = 1000;
/** How much of a payload the kernel sends. */
const PREVIEW_BYTES = 120;
const COLUMNS = [
  ["to", "which way it went"],
  ["link", "the number of the connection"],
  ["time", "seconds since the first row"],
  ["#", "the number of the frame"],
  ["opcode", "what kind of frame (RFC 6455, 5.2)"],
  ["FIN", "1 in the last frame of a message"],
  ["RSV", "the reserved bits RSV1, RSV2, RSV3"],
  ["mask", "whether the payload is masked"],
  ["length", "bytes of payload, and how many bits the length is written in"],
  ["payload", "the first 120 bytes, as text or hex"],
  ["notes", "what is wrong with it, and what the tap did"],
];

/**
 * Return what a row shows in each column.
 *
 * @param {Row} row
 * @param {number} start of time
 * @returns {string[]}
 */
export function describeRow(row, start) {
  if (row.kind === "count") {
    const text = `${formatCount(row.count)} more, not shown here`;
    return ["", "", "", "", "", "", "", "", "", text, ""];
  }
  const arrow =
    row.toward === "server" ? "──▶ server" : row.toward === "client" ? "◀── client" : "── end ──";
  const time = formatTime(row.time, start);
  if (row.kind === "event") {
    const word = row.what === "end" ? "ended" : row.what;
    const line = makeVisible(row.line);
    return [arrow, String(row.link), time, "–", word, "", "", "", "", line, ""];
  }
  const { header, flags, length, payload } = row;
  const isWhole =
    flags & FLAGS.inflated ? payload.length < PREVIEW_BYTES : payload.length >= length;
  return [
    flags & (FLAGS.own | FLAGS.changed) ? arrow.replace("──", "⚡─") : arrow,
    String(row.link),
    time,
    formatCount(row.seq),
    row.word,
    header.fin ? "1" : "0",
    header.rsv.toString(2).padStart(3, "0"),
    header.masked ? "✓" : "–",
    `${formatCount(length)} (${header.lengthBits} bits)`,
    summarizePayload(header.opcode, payload, isWhole),
    row.note,
  ];
}

/** What a row looks like, beside its text. @param {Row} row */
function classify(row) {
  if (row.kind !== "frame") return `tk-${row.kind}`;
  const isWrong = row.note.includes("(RFC");
  const isLate = row.late >= MIN_LATE_US;
  const kind = row.opcode > 7 ? "tk-control" : "tk-data";
  return `${kind}${isWrong ? " tk-wrong" : ""}${isLate ? " tk-late" : ""}`;
}

export class RowList {
  /** The chosen row. @type {Row | null} */
  chosen = null;
  /** Whether the list shows the newest row. */
  isFollowing = true;

  #ring;
  #onChoose;
  /** The positions of the rows that pass the filter. @type {number[]} */
  #positions = [];
  #from = 0; // where the first that is still in the ring is
  #read = 0; // the position up to which the ring was filtered
  /** @type {(row: Row) => boolean} */
  #test = () => true;
  #passed = 0; // how many rows have passed the filter so far
  #heldAt = 0; // how many had when the list stopped following
  #top = 0; // where the list has scrolled to by itself
  /** @type {Map<number, HTMLElement>} */
  #elements = new Map();
  /** @type {HTMLElement[]} */
  #spare = [];
  #start = 0; // of time
  #drawn = ""; // what is drawn, to draw nothing twice

  /**
   * @param {Ring} ring
   * @param {(row: Row) => void} onChoose
   */
  constructor(ring, onChoose) {
    this.#ring = ring;
    this.#onChoose = onChoose;
    const heads = COLUMNS.map(([name, title]) =>
      make("span", { role: "columnheader", text: name, title }),
    );
    this.head = make("div", { class: "tk-row tk-head", role: "row" }, heads);
    this.space = make("div", { class: "tk-space", role: "rowgroup" });
    this.scroller = make("div", { class: "tk-scroller", tabindex: "0", role: "grid" }, [
      this.space,
    ]);
    this.scroller.setAttribute("aria-label", "frames; arrow keys choose one");
    this.more = make("button", { type: "button", class: "tk-more", hidden: "" });
    this.element = make("div", { class: "tk-list" }, [this.head, this.scroller, this.more]);
    this.scroller.addEventListener("scroll", () => this.#onScroll());
    new ResizeObserver(() => this.#onResize()).observe(this.scroller);
    this.scroller.addEventListener("keydown", (event) => this.#onKey(event));
    this.more.addEventListener("click", () => this.follow());
    this.space.addEventListener("click", (event) => this.#onClick(event));
  }

  get count() {
    return this.#positions.length - this.#from;
  }

  /** Show the newest rows from now on. */
  follow() {
    this.isFollowing = true;
    this.draw();
  }

  /** Show only the rows that pass a test. @param {(row: Row) => boolean} test */
  filter(test) {
    this.#test = test;
    this.#positions = [];
    this.#from = 0;
    this.#read = this.#ring.first;
    this.isFollowing = true;
    this.draw();
  }

  /** Take what is new in the ring; return how many rows have gone from the beginning. */
  #update() {
    const { first, stop } = this.#ring;
    for (let position = Math.max(this.#read, first); position < stop; position++) {
      if (!this.#test(this.#ring.at(position))) continue;
      this.#positions.push(position);
      this.#passed++;
    }
    this.#read = stop;
    if (!this.#start && stop > first) this.#start = this.#ring.at(first).time;
    const before = this.#from;
    while (this.#from < this.#positions.length && this.#positions[this.#from] < first) this.#from++;
    const gone = this.#from - before;
    if (this.#from > this.#ring.capacity) {
      this.#positions = this.#positions.slice(this.#from);
      this.#from = 0;
    }
    return gone;
  }

  draw() {
    const gone = this.#update();
    const { scroller, count } = this;
    this.space.style.height = `${count * ROW_HEIGHT}px`;
    scroller.setAttribute("aria-rowcount", String(count));
    if (this.isFollowing) {
      scroller.scrollTop = count * ROW_HEIGHT;
      this.#top = scroller.scrollTop;
    } else if (gone) scroller.scrollTop -= gone * ROW_HEIGHT; // so that what is read stays in place
    this.#drawRows();
    const fresh = this.#passed - this.#heldAt;
    this.more.hidden = this.isFollowing || fresh <= 0;
    if (!this.more.hidden) setText(this.more, `${formatCount(fresh)} new ↓`);
  }

  #drawRows() {
    const { scrollTop, clientHeight } = this.scroller;
    const top = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - MARGIN_ROWS);
    const bottom = Math.min(
      this.count,
      Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + MARGIN_ROWS,
    );
    const wanted = this.#positions.slice(this.#from + top, this.#from + bottom);
    const chosen = this.chosen;
    const key = `${wanted[0]} ${wanted.length} ${top} ${wanted.at(-1)}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    const kept = new Set(wanted);
    for (const [position, element] of this.#elements) {
      if (kept.has(position)) continue;
      this.#elements.delete(position);
      this.#spare.push(element);
    }
    wanted.forEach((position, at) => {
      const row = this.#ring.at(position);
      let element = this.#elements.get(position);
      if (!element) {
        element = this.#spare.pop() ?? this.#makeRow();
        this.#fill(element, row);
        element.dataset.position = String(position);
        this.#elements.set(position, element);
      }
      element.style.transform = `translateY(${(top + at) * ROW_HEIGHT}px)`;
      element.setAttribute("aria-rowindex", String(top + at + 1));
      element.setAttribute("aria-selected", String(row === chosen));
    });
    for (const element of this.#spare.splice(0)) element.remove();
  }

  #makeRow() {
    const cells = COLUMNS.map(() => make("span", { role: "gridcell" }));
    const row = make("div", { class: "tk-row", role: "row" }, cells);
    this.space.append(row);
    return row;
  }

  /**
   * @param {HTMLElement} element
   * @param {Row} row
   */
  #fill(element, row) {
    element.className = `tk-row ${classify(row)}`;
    element.dataset.toward = row.toward;
    const texts = describeRow(row, this.#start);
    texts.forEach((text, at) => {
      setText(/** @type {HTMLElement} */ (element.children[at]), text);
    });
    element.title = texts.at(-1) ?? "";
    const late = row.kind === "frame" ? row.late / 1e6 : 0;
    // In the ladder, the arrow falls by so much between the two ends, and this stands beside it.
    element.style.setProperty("--tk-drop", `${Math.min(Math.ceil(late * DROP_PER_S), MAX_DROP)}px`);
    /** @type {HTMLElement} */ (element.children[4]).dataset.late = late
      ? ` +${late.toFixed(3)} s`
      : "";
  }

  #onScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    // The window may have become smaller since the list scrolled by itself.
    const hasStayed = this.isFollowing && scrollTop >= this.#top - 1;
    const isAtEnd = hasStayed || scrollHeight - scrollTop - clientHeight < END_PIXELS;
    if (this.isFollowing && !isAtEnd) this.#heldAt = this.#passed;
    this.isFollowing = isAtEnd;
    if (isAtEnd) this.more.hidden = true;
    this.#drawRows();
  }

  /** @param {Event} event */
  #onClick(event) {
    const row = /** @type {HTMLElement} */ (event.target).closest(".tk-row");
    const position = /** @type {HTMLElement | null} */ (row)?.dataset.position;
    if (position !== undefined) this.choose(this.#ring.at(Number(position)));
  }

  #onResize() {
    this.draw();
    const isChosen = (/** @type {number} */ position) => this.#ring.at(position) === this.chosen;
    if (!this.isFollowing && this.chosen) {
      const at = this.#positions.slice(this.#from).findIndex(isChosen);
      if (at >= 0) this.#reveal(at);
    }
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "End") {
      this.follow();
      event.preventDefault();
    }
    if (!step || !this.count) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would go to another cell
    const positions = this.#positions.slice(this.#from);
    const at = positions.findIndex((each) => this.#ring.at(each) === this.chosen);
    const next = at < 0 ? positions.length - 1 : Math.min(Math.max(at + step, 0), this.count - 1);
    this.choose(this.#ring.at(positions[next]));
    this.#reveal(next);
  }

  /** Scroll until a row is in view. @param {number} index */
  #reveal(index) {
    const top = index * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    if (top + ROW_HEIGHT > scrollTop + clientHeight) {
      this.scroller.scrollTop = top + ROW_HEIGHT - clientHeight;
    }
  }

  /** @param {Row} row */
  choose(row) {
    if (row.kind === "count") return;
    this.chosen = row;
    if (this.isFollowing) this.#heldAt = this.#passed;
    this.isFollowing = false; // what is chosen stays in view
    this.#drawn = "";
    this.#drawRows();
    this.#onChoose(row);
  }
}
