/** Random numbers from a seed, and the arrays that tests make of them. */

export class Seeded {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** Return a number in [0, 1). (The generator is mulberry32.) */
  random() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  uniform(low, high) {
    return low + (high - low) * this.random();
  }

  /** Return a whole number in [low, high). */
  integer(low, high) {
    return Math.floor(this.uniform(low, high));
  }

  normal(scale = 1) {
    const radius = Math.sqrt(-2 * Math.log(1 - this.random()));
    return scale * radius * Math.cos(2 * Math.PI * this.random());
  }

  exponential(scale = 1) {
    return -scale * Math.log(1 - this.random());
  }

  /** Return one of these values. */
  choice(values) {
    return values[this.integer(0, values.length)];
  }
}

/** Return a number with two decimals. */
export const cents = (value) => Math.round(value * 100) / 100;

/** Return an array of `count` values, each made by its index. */
export const array = (count, make) => Float64Array.from({ length: count }, (_, i) => make(i));

/** Return the sums of an array's values so far. */
export function cumulate(values) {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}

/** Return `count` values from `first` to `last`, equally far apart. */
export const linspace = (first, last, count) =>
  array(count, (i) => (i === count - 1 ? last : first + ((last - first) * i) / (count - 1)));

/** Return the least and the greatest of the values that are finite, or null. */
export function extentOf(...columns) {
  let [least, greatest] = [Infinity, -Infinity];
  for (const column of columns) {
    for (const value of column) {
      if (!Number.isFinite(value)) continue;
      least = Math.min(least, value);
      greatest = Math.max(greatest, value);
    }
  }
  return least <= greatest ? [least, greatest] : null;
}
