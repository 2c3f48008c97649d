/**
 * Points: what the kernel has streamed to this page, trace by trace, and what of it is missing.
 *
 * The page is a reader of each trace's window in the kernel, at a position. A message says from
 * which position on its points are, and replaces all from there on: receiving it twice does no
 * harm. If a message does not fit what is held here, one before it was lost. Then the page asks
 * for the points from its own position on, until they have come.
 */

import { Series } from "./series.js";
import { numbersIn } from "./values.js";

/** @import { PageMessage, PointsMessage, TraceWindow } from "../messages.d.ts" */
/** @import { Trace } from "./types.d.ts" */

/** The least time between two questions. */
const ASK_EVERY_MS = 250;
/** When to ask again, since neither a question nor its answer is sure to arrive. */
const ASK_AGAIN_MS = 1000;

/** The streamed points of one figure, by the uids of its traces. */
export class Points {
  /** Names this page to the kernel; another one after a reload. */
  page = Math.random().toString(36).slice(2);

  #uids;
  #isShown;
  #send;
  /** @type {Map<string, Series>} */
  #series = new Map();
  /** The traces of which points have been missed. @type {Set<string>} */
  #lacking = new Set();
  #askedAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {object} figure
   * @param {() => string[]} figure.uids returns the uids of all traces, in their order
   * @param {() => boolean} figure.isShown returns whether the figure has a view
   * @param {(message: PageMessage) => void} figure.send sends a message to the kernel
   */
  constructor({ uids, isShown, send }) {
    this.#uids = uids;
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
    for (const series of this.#series.values()) count += series.next;
    return count;
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
   * Take the points that a model's state has: a thinned copy of the kernel's windows.
   *
   * @param {Record<string, TraceWindow | Record<string, never>>} places where they stand, by uid
   * @param {Trace[]} data
   */
  load(places, data) {
    this.#series.clear();
    for (const [uid, place] of Object.entries(places)) {
      const trace = data.find((each) => each.uid === uid);
      if (!trace || !place.names) continue;
      /** @type {Record<string, Float64Array>} */
      const columns = {};
      for (const name of ["x", ...place.names])
        columns[name] = Float64Array.from(trace[name] ?? []);
      const series = new Series(place.names);
      series.reset(place.epoch, place.next - columns.x.length);
      series.write(series.first, columns);
      series.isPartial = !place.whole;
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
   * Take points that were appended, and ask for those that were lost before them.
   *
   * @param {PointsMessage} message
   * @param {ArrayBufferView[]} buffers the columns of all traces, x first
   * @param {boolean} isFollowing whether old points may go; else what a chart shows would vanish
   * @returns whether there are points of a trace that had none
   */
  receive(message, buffers, isFollowing) {
    const arrays = buffers.values();
    let hasNew = false;
    for (const { uid, epoch, start, first, names } of message.traces) {
      let series = this.#series.get(uid);
      /** @type {Record<string, Float64Array>} */
      const columns = {};
      for (const name of ["x", ...(names ?? series?.names ?? ["y"])]) {
        columns[name] = numbersIn(/** @type {ArrayBufferView} */ (arrays.next().value));
      }
      const isWhole = start === first && names !== undefined;
      if (isWhole && (series?.epoch !== epoch || series.isPartial || start > series.next)) {
        hasNew ||= series === undefined;
        series = new Series(names);
        series.reset(epoch, start);
        this.#series.set(uid, series);
      } else if (series?.epoch !== epoch || start > series.next || start < series.first) {
        this.#lacking.add(uid);
        continue;
      }
      this.#lacking.delete(uid);
      series.write(start, columns);
      // While the chart holds still, what it shows stays, up to another window's worth.
      const spare = isFollowing ? 0 : series.next - first;
      if (!series.isPartial) series.trim(first - spare);
    }
    return hasNew;
  }

  /**
   * Ask for points if any were found missing by a message.
   *
   * @param {PointsMessage} message
   */
  askForMissed(message) {
    if (message.traces.some(({ uid }) => this.#lacking.has(uid))) this.ask();
  }

  /** Whether points of the kernel's windows are known to be missing here. */
  get #isIncomplete() {
    return this.#uids().some((uid) => this.#lacking.has(uid) || this.get(uid)?.isPartial);
  }

  /** Tell the kernel that a view is there, and from which position on each trace is wanted. */
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
    /** @type {Record<string, [number | null, number]>} */
    const from = {};
    for (const uid of this.#uids()) {
      const series = this.get(uid);
      from[uid] = series && !series.isPartial ? [series.epoch, series.next] : [null, -1];
    }
    this.#send({ kind: "here", page: this.page, from });
  }
}
