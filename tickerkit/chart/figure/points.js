/**
 * Points: the points that the kernel has streamed to this page, and the requests for missing ones.
 *
 * The page is a reader of each trace's window in the kernel, at a position. A message gives the
 * position of its first point, and replaces all points from there on: receiving it twice does no
 * harm. If a message does not fit the points held here, an earlier message was lost. Then the page
 * asks for the points from its own position on, until they have come.
 */

import { toColumns } from "./heat_columns.js";
import { noteDraw, Pacing } from "./pacing.js";
import { Series } from "./series.js";
import { readNumbers } from "./values.js";

/** @import { PageMessage, PointsMessage, TraceWindow } from "../messages.d.ts" */
/** @import { Trace } from "./types.d.ts" */

/** The shortest time between two requests. */
const ASK_EVERY_MS = 250;
/** When to ask again: a request or its answer may be lost. */
const ASK_AGAIN_MS = 1000;

/**
 * Points of one series that are shown over several frames. The series already has `shown` of them.
 *
 * @typedef {object} Batch
 * @property {Series} series
 * @property {number} start the position of the first point
 * @property {Record<string, Float64Array>} columns
 * @property {number} first the position of the oldest point of the kernel's window
 * @property {number} shown
 */

/** The streamed points of one figure, by the uids of its traces. */
export class Points {
  /** The id of this page for the kernel; a reload gives the page a new id. */
  page = Math.random().toString(36).slice(2);

  #uids;
  #isLine;
  #isShown;
  #send;
  /** @type {Map<string, Series>} */
  #series = new Map();
  /** The messages that are not wholly shown. @type {Pacing<Batch[]>} */
  #pacing = new Pacing();
  /** The uids of the traces that miss points. @type {Set<string>} */
  #lacking = new Set();
  #askedAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {object} figure
   * @param {() => string[]} figure.uids returns the uids of all traces, in their order
   * @param {(uid: string) => boolean} figure.isLine returns whether a trace is drawn as lines or
   *   markers; the points of other traces are never held back
   * @param {() => boolean} figure.isShown returns whether the figure has a view
   * @param {(message: PageMessage) => void} figure.send sends a message to the kernel
   */
  constructor({ uids, isLine, isShown, send }) {
    this.#uids = uids;
    this.#isLine = isLine;
    this.#isShown = isShown;
    this.#send = send;
  }

  /** How many traces are streamed. */
  get size() {
    return this.#series.size;
  }

  /** How many points have come, in all. */
  get count() {
    let count = 0;
    for (const series of this.#series.values()) count += this.#next(series);
    return count;
  }

  /** Whether points have come that are not shown yet. */
  get isHolding() {
    return this.#pacing.waiting.length > 0;
  }

  /**
   * Return a trace's points; undefined for a trace that is not streamed.
   *
   * @param {string} uid
   */
  get(uid) {
    return this.#series.get(uid);
  }

  /**
   * Load the points in a model's state: a thinned copy of the kernel's windows.
   *
   * @param {Record<string, TraceWindow | Record<string, never>>} places their positions, by uid
   * @param {Trace[]} data
   */
  load(places, data) {
    this.#pacing.takeAll();
    this.#series.clear();
    for (const [uid, place] of Object.entries(places)) {
      const trace = data.find((each) => each.uid === uid);
      if (!trace || !place.names) continue;
      /** @type {Record<string, Float64Array>} */
      const columns = {};
      for (const name of ["x", ...place.names])
        columns[name] = Float64Array.from(trace[name] ?? []);
      if (place.rows !== undefined) columns.z = toColumns(trace.z ?? []);
      const series = new Series(place.names, place.rows);
      // The state in a saved notebook has the page's points, more than when the kernel gave `next`.
      const start = Math.max(0, place.next - columns.x.length);
      series.reset(place.epoch, start);
      series.write(start, columns);
      series.isPartial = !place.whole || series.next !== place.next;
      this.#series.set(uid, series);
    }
  }

  /**
   * Drop a trace's points; return whether there were any.
   *
   * @param {string} uid
   */
  drop(uid) {
    return this.#series.delete(uid);
  }

  /**
   * Take the points of a message, and note the traces that miss points before them.
   *
   * @param {PointsMessage} message
   * @param {ArrayBufferView[]} buffers the columns of all traces, x first
   * @param {boolean} isFollowing whether the chart follows; if not, old points stay visible longer
   * @param {boolean} isSmooth whether `advance` may show the points over several frames
   * @returns whether a trace has its first points
   */
  receive(message, buffers, isFollowing, isSmooth = false) {
    const arrays = buffers.values();
    const now = performance.now();
    const canHold = isFollowing && isSmooth && !this.#pacing.isPaused(now);
    if (!canHold) this.showAll();
    /** @type {Batch[]} */
    const held = [];
    let hasNew = false;
    for (const { uid, epoch, start, first, names, rows } of message.traces) {
      let series = this.#series.get(uid);
      /** @type {Record<string, Float64Array>} */
      const columns = {};
      for (const name of ["x", ...(names ?? series?.names ?? ["y"])]) {
        columns[name] = readNumbers(/** @type {ArrayBufferView} */ (arrays.next().value));
      }
      const next = series ? this.#next(series) : -1;
      const isWhole = start === first && names !== undefined;
      const isOther = series?.epoch !== epoch || series.rows !== (rows ?? series.rows);
      if (isWhole && (isOther || series?.isPartial || start > next)) {
        hasNew ||= series === undefined;
        series = new Series(names, rows);
        series.reset(epoch, start);
        this.#series.set(uid, series);
      } else if (series?.epoch !== epoch || start > next || start < series.first) {
        this.#lacking.add(uid);
        continue;
      }
      this.#lacking.delete(uid);
      const batch = { series, start, columns, first, shown: 0 };
      // Points that replace others are changes: they are not held back.
      if (canHold && start === next && series.length && !series.isPartial && this.#isLine(uid)) {
        held.push(batch);
        continue;
      }
      for (const each of this.#heldOf(series)) this.#show(each, 1);
      // While the chart holds still, the points that it shows stay, for the length of one window.
      if (!isFollowing) batch.first -= start + columns.x.length - first;
      this.#show(batch, 1);
    }
    if (held.length) this.#pacing.add(held, now);
    return hasNew;
  }

  // ---- show

  /** Note that the page has a frame, whether it shows new points or not. */
  countFrame() {
    this.#pacing.countFrame();
  }

  /**
   * Show what is due in a frame. Without frames, `receive` shows all points.
   *
   * @param {number} now when the frame is drawn
   */
  advance(now) {
    const isCrowded = noteDraw(this.page, now);
    for (const [batches, share] of this.#pacing.show(now, isCrowded)) {
      for (const batch of batches) this.#show(batch, share);
    }
  }

  /** Show all points that have come. */
  showAll() {
    for (const batch of this.#pacing.takeAll().flat()) this.#show(batch, 1);
  }

  /**
   * Write a share of a batch into its series, and drop as many old points of the series.
   *
   * @param {Batch} batch
   * @param {number} share
   */
  #show(batch, share) {
    const { series, start, columns, first, shown } = batch;
    const count = columns.x.length;
    const end = Math.max(Math.ceil(share * count), shown);
    if (end > shown) {
      /** @type {Record<string, Float64Array>} */
      const part = {};
      for (const name in columns) {
        const each = name === "x" ? 1 : series.rows;
        part[name] = columns[name].subarray(shown * each, end * each);
      }
      series.write(start + shown, part);
    }
    batch.shown = end;
    if (!series.isPartial) series.trim(first - (count - end));
  }

  /**
   * Return the batches of a series that are not wholly shown, oldest first.
   *
   * @param {Series} series
   */
  #heldOf(series) {
    const isHeld = (/** @type {Batch} */ { shown, columns }) => shown < columns.x.length;
    return this.#pacing.waiting.flat().filter((each) => each.series === series && isHeld(each));
  }

  /**
   * Return the position after the newest point that has come, whether it is shown or not.
   *
   * @param {Series} series
   */
  #next(series) {
    const batch = this.#heldOf(series).at(-1);
    return batch ? batch.start + batch.columns.x.length : series.next;
  }

  // ---- ask

  /**
   * Ask for points if a trace in a message misses some.
   *
   * @param {PointsMessage} message
   */
  askForMissed(message) {
    if (message.traces.some(({ uid }) => this.#lacking.has(uid))) this.ask();
  }

  /** Whether a trace is known to miss points of the kernel's window. */
  get #isIncomplete() {
    return this.#uids().some((uid) => this.#lacking.has(uid) || this.get(uid)?.isPartial);
  }

  /** Report to the kernel that the page shows the figure, and ask for each trace's next points. */
  ask() {
    const now = performance.now();
    const wait = ASK_EVERY_MS - (now - this.#askedAt);
    clearTimeout(this.#timer);
    if (wait > 0) {
      this.#timer = setTimeout(() => this.ask(), wait);
      return;
    }
    this.#askedAt = now;
    this.#timer = setTimeout(() => {
      if (this.#isIncomplete && this.#isShown()) this.ask();
    }, ASK_AGAIN_MS);
    this.#send(this.report());
  }

  /** Return a report that the page shows the figure, with the next point of each trace.
   *  @returns {import("../messages.d.ts").HereMessage} */
  report() {
    /** @type {Record<string, [number | null, number]>} */
    const from = {};
    for (const uid of this.#uids()) {
      const series = this.get(uid);
      from[uid] = series && !series.isPartial ? [series.epoch, this.#next(series)] : [null, -1];
    }
    return { kind: "here", page: this.page, from };
  }
}
