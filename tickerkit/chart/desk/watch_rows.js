/**
 * Watch rows: what the kernel has said of each symbol, in the order in which it is shown.
 */

/** @import { DeskRow, RowsMessage } from "./messages.d.ts" */

/** A row with all of its fields, and when they came.
 *  @typedef {Required<DeskRow> & {at: number, changed: number}} WatchRow */

/** Rows sorted by their state begin with those that need a look. */
const STATES = ["refused", "mute", "stale", "asked", "acked", "quiet", "live"];

export class WatchRows {
  /** @type {Map<string, WatchRow>} */
  #rows = new Map();

  /** Whether a row has or had gaps. */
  hasGaps = false;

  /** Counts the changes of all rows: each row has the count of its own last change. */
  changes = 0;

  get size() {
    return this.#rows.size;
  }

  all() {
    return this.#rows.values();
  }

  /**
   * Return the row of a feed's symbol.
   *
   * @param {number} feed
   * @param {string | null} symbol
   */
  find(feed, symbol) {
    if (symbol === null) return undefined;
    for (const row of this.#rows.values()) {
      if (row.symbol === symbol && row.feed === feed) return row;
    }
    return undefined;
  }

  /**
   * Take a message; return whether none was lost before it.
   *
   * @param {RowsMessage} message
   * @param {number} now in ms
   */
  take({ whole, rows, gone }, now) {
    this.changes += 1;
    let isKnown = true;
    const before = this.#rows;
    if (whole) this.#rows = new Map();
    for (const id of gone) this.#rows.delete(id);
    for (const change of rows) {
      const row = before.get(change.id);
      if (!row && change.symbol === undefined) {
        isKnown = false;
        continue;
      }
      const at = change.age_s === undefined ? (row?.at ?? now) : now;
      const { changes } = this;
      // The same object for as long as the row exists: the list knows it by that.
      const next = Object.assign(row ?? {}, change, { at, changed: changes });
      this.#rows.set(change.id, /** @type {WatchRow} */ (next));
      if (change.gaps || change.repaired) this.hasGaps = true;
    }
    return isKnown;
  }

  /** Note that the kernel is silent: what the rows say of now is not known. */
  expire() {
    this.changes += 1;
    for (const row of this.#rows.values()) {
      Object.assign(row, { status: "unknown", changed: this.changes });
    }
  }

  /**
   * Return the rows that pass a test, in order; those without the number by which they are sorted
   * come last, whichever the direction.
   *
   * @param {string} field as in DeskRow, or "others." and a number; "" for the kernel's order
   * @param {boolean} isDescending
   * @param {(row: WatchRow) => boolean} test
   * @param {number} now in ms
   */
  order(field, isDescending, test, now) {
    const rows = [...this.#rows.values()].filter(test);
    const sign = isDescending ? -1 : 1;
    const inPlace = (/** @type {WatchRow} */ one, /** @type {WatchRow} */ other) =>
      one.place - other.place;
    if (!field) return rows.sort(inPlace);
    if (field === "symbol") return rows.sort((one, other) => sign * compareNames(one, other));
    const keys = new Map(rows.map((row) => [row, readKey(row, field, now)]));
    return rows.sort((one, other) => {
      const [key, otherKey] = [keys.get(one), keys.get(other)];
      if (isNumber(key) && isNumber(otherKey)) {
        return sign * (key - otherKey) || inPlace(one, other);
      }
      return Number(isNumber(otherKey)) - Number(isNumber(key)) || inPlace(one, other);
    });
  }
}

/**
 * @param {WatchRow} row
 * @param {number} now in ms
 */
export const ageOf = (row, now) => row.age_s + (now - row.at) / 1000;

/** Return the state of a row in one word. @param {WatchRow} row */
export const stateOf = (row) => (row.is_stale ? "stale" : row.status);

/** @param {unknown} key @returns {key is number} */
function isNumber(key) {
  return typeof key === "number" && !Number.isNaN(key);
}

const NAMES = new Intl.Collator("en", { numeric: true });

/**
 * @param {WatchRow} one
 * @param {WatchRow} other
 */
const compareNames = (one, other) =>
  NAMES.compare(one.symbol, other.symbol) || one.feed - other.feed;

/**
 * @param {WatchRow} row
 * @param {string} field
 * @param {number} now
 */
function readKey(row, field, now) {
  if (field === "status") return STATES.indexOf(stateOf(row));
  if (field === "age_s") return ageOf(row, now);
  const [, index] = /^others\.(\d+)$/.exec(field) ?? [];
  if (index) return row.others?.[Number(index)];
  return /** @type {any} */ (row)[field];
}
