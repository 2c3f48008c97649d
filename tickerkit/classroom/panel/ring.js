/**
 * Ring: the newest rows of a panel, and how many frames there were besides.
 */

import { fromHex, nameOpcode, parseHeader } from "./header.js";
import { decodeText, readCloseCode } from "./payload.js";

/** @import { FramesMessage } from "./messages.d.ts" */

/** How many rows a page keeps. */
const MAX_ROWS = 20_000;

/** How many events are remembered; the kernel sends those of about 200 connections again. */
const MAX_EVENTS = 3000;

/** What the flags of a row in a message mean. */
export const FLAGS = { own: 1, changed: 2, kept: 4, inflated: 8 };

/** A frame of a message. */
export class FrameRow {
  kind = /** @type {const} */ ("frame");
  /** @type {import("./header.js").Header | undefined} */
  #header;
  /** @type {string | undefined} */
  #text;

  /** @param {FramesMessage["rows"][number]} row */
  constructor(row) {
    this.seq = row[0];
    this.time = row[1];
    this.link = row[2];
    this.toward = row[3] ? "server" : "client";
    this.flags = row[4];
    this.length = row[5];
    this.headerHex = row[6];
    this.payloadHex = row[7];
    this.note = row[8];
    this.late = row[9];
  }

  get header() {
    this.#header ??= parseHeader(fromHex(this.headerHex));
    return this.#header;
  }

  /** The first bytes of the payload. */
  get payload() {
    return fromHex(this.payloadHex);
  }

  /** The first bytes of the payload as text. */
  get text() {
    this.#text ??= decodeText(this.payload);
    return this.#text;
  }

  get opcode() {
    return this.header.opcode;
  }

  get word() {
    return nameOpcode(this.opcode);
  }

  /** The code of a close frame; null in others. */
  get code() {
    return this.opcode === 8 ? readCloseCode(this.payload) : null;
  }
}

/** A request, an answer, or the end of a connection. */
export class EventRow {
  kind = /** @type {const} */ ("event");

  /** @param {FramesMessage["events"][number]} event */
  constructor(event) {
    this.link = event[0];
    this.time = event[1];
    this.what = event[2];
    this.line = event[3];
    this.text = event[4];
  }

  get toward() {
    return this.what === "request" ? "server" : this.what === "answer" ? "client" : "";
  }
}

/** Frames that have no row here. */
class CountRow {
  kind = /** @type {const} */ ("count");
  link = 0;
  toward = "";

  /**
   * @param {number} count
   * @param {number} time
   */
  constructor(count, time) {
    this.count = count;
    this.time = time;
  }
}

/** @typedef {FrameRow | EventRow | CountRow} Row */

/** The rows of a panel; each has a position, which counts all rows so far. */
export class Ring {
  /** The position that the next row will have. */
  stop = 0;
  /** The number of the next frame that is expected. */
  next = 1;
  /** How many frames have come as rows, and how many are in count rows. */
  rows = 0;
  omitted = 0;

  /** @type {Row[]} */
  #slots = [];
  /** The events that have come. */
  #events = new Set();

  /** @param {number} capacity */
  constructor(capacity = MAX_ROWS) {
    this.capacity = capacity;
  }

  /** How many events are remembered, so that none is shown twice. */
  get events() {
    return this.#events.size;
  }

  /** The position of the oldest row. */
  get first() {
    return Math.max(0, this.stop - this.capacity);
  }

  /** @param {number} position */
  at(position) {
    return this.#slots[position % this.capacity];
  }

  /** @param {Row} row */
  #push(row) {
    this.#slots[this.stop % this.capacity] = row;
    this.stop++;
  }

  /**
   * Take the rows of a message; what came before is skipped, and what is missing is counted.
   *
   * @param {FramesMessage} message
   */
  take(message) {
    const events = message.events
      .filter(([link, , what]) => !this.#events.has(`${link} ${what}`))
      .map((event) => new EventRow(event));
    for (const { link, what } of events) this.#events.add(`${link} ${what}`);
    for (const key of this.#events) {
      if (this.#events.size <= MAX_EVENTS) break;
      this.#events.delete(key);
    }
    const rows = message.rows.filter(([seq]) => seq >= this.next);
    const missing = Math.max(message.stop - this.next, 0) - rows.length;
    if (missing > 0) {
      this.omitted += missing;
      this.#push(new CountRow(missing, rows[0]?.[1] ?? events[0]?.time ?? 0));
    }
    let at = 0;
    for (const row of rows) {
      // A connection begins before its first frame, also if both came in the same microsecond.
      while (at < events.length && isBefore(events[at], row)) this.#push(events[at++]);
      this.#push(new FrameRow(row));
    }
    while (at < events.length) this.#push(events[at++]);
    this.rows += rows.length;
    this.next = Math.max(this.next, message.stop);
  }
}

/**
 * @param {EventRow} event
 * @param {FramesMessage["rows"][number]} row
 */
const isBefore = (event, row) =>
  event.time < row[1] || (event.time === row[1] && event.what !== "end");
