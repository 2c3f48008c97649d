/**
 * Decimals: how many decimals the values of an instrument are shown with, learnt from its values.
 *
 * This is the rule of `decimals.py`; a test compares the two. The charts' page side uses this file,
 * too.
 */

const MIN_DECIMALS = 2;
const MAX_DECIMALS = 12;
/** Venues quote at most nine significant digits. A value with more is computed, such as a mean. */
const QUOTED_DIGITS = 9;
const COMPUTED_DIGITS = 5;
/** One in ten million computed values looks quoted, with nine digits. So beside computed values,
 *  only quoted values of up to seven digits count. */
const SHORT = 10 ** 7;
/** How far a quoted value may be from a decimal number, as a share: floats are not exact. */
const TOLERANCE = 2e-15;

/**
 * The number of decimals for all values of one instrument.
 *
 * A quoted value, such as 1.1095 or 0.0000123, is shown with all of its decimals; so every value of
 * an instrument is shown with as many as its tick size has. A computed value, such as 187.253333,
 * has more than nine significant digits. It is shown with five of them, counted from the largest
 * value. There are 2 to 12 decimals, or fewer than 2 if the minimum is 0, as for a sensor's 21.5.
 * The order of the values does not matter.
 */
export class Decimals {
  #short; // of quoted values of few digits
  #long; // of all quoted values
  #hasComputed = false;
  #largest = 0;

  /** @param {number} minimum the smallest number of decimals */
  constructor(minimum = MIN_DECIMALS) {
    this.#short = this.#long = minimum;
  }

  /** The number of decimals. */
  get count() {
    if (!this.#hasComputed) return this.#long;
    const computed = COMPUTED_DIGITS - 1 - findExponent(this.#largest);
    return Math.max(this.#short, Math.min(computed, MAX_DECIMALS));
  }

  /**
   * Take a value of the instrument into account.
   *
   * @param {number} value left out if it is 0, missing, infinite, or below 12 decimals
   */
  add(value) {
    const size = Math.abs(value);
    if (!(size >= 10 ** -MAX_DECIMALS && size < Infinity)) return;
    this.#largest = Math.max(this.#largest, size);
    const scaled = size * 10 ** this.#short;
    const isFitting = Math.abs(scaled - Math.round(scaled)) <= TOLERANCE * scaled;
    if (!isFitting || scaled >= 10 ** QUOTED_DIGITS) this.#addNew(size);
  }

  /**
   * Take a value into account that has more decimals than the values before.
   *
   * @param {number} size
   */
  #addNew(size) {
    let places = QUOTED_DIGITS - 1 - findExponent(size);
    const scaled = size * 10 ** places;
    let digits = Math.round(scaled);
    if (Math.abs(scaled - digits) > TOLERANCE * scaled) {
      this.#hasComputed = true;
      return;
    }
    for (; digits % 10 === 0; places--) digits /= 10;
    places = Math.min(places, MAX_DECIMALS);
    this.#long = Math.max(this.#long, places);
    if (digits < SHORT) this.#short = Math.max(this.#short, places);
  }
}

/**
 * Return the exponent of a positive number: 2 for 187.25, -5 for 0.0000123.
 *
 * @param {number} size
 */
function findExponent(size) {
  const exponent = Math.floor(Math.log10(size));
  if (10 ** (exponent + 1) <= size) return exponent + 1; // the logarithm may be inexact
  return 10 ** exponent > size ? exponent - 1 : exponent;
}

/**
 * Return a value with these decimals, as plotly writes it: "65,432.10", "−3.50"; a dash for NaN.
 *
 * @param {number} value
 * @param {number} decimals
 * @param {boolean} hasSign whether a positive value has a sign too, as in "+0.15"
 */
export function formatDecimals(value, decimals, hasSign = false) {
  if (Number.isNaN(value)) return "–";
  // Not toLocaleString, which rounds 1.005 up; Python and Plotly round the float's exact value.
  const [whole, fraction] = Math.abs(value).toFixed(decimals).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const text = fraction ? `${grouped}.${fraction}` : grouped;
  const isNegative = value < 0 && (hasSign || /[^0.]/.test(text));
  return (isNegative ? "−" : hasSign ? "+" : "") + text;
}
