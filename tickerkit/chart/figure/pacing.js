/**
 * Pacing: spreads the points of messages over the frames until the next message is due.
 *
 * Where messages come in clumps, or more rarely than frames, showing each at once would move the
 * chart in jerks. Here a message is shown over several frames, the earlier one first. Times count
 * from the frame that could first show a message, because nothing is visible before it: then every
 * frame of an even stream shows equally much.
 *
 * Messages that come once a frame, but about when the frame begins, are shown one a frame: else
 * some frames would have two and others none.
 *
 * Nothing is held back where every frame has a message, after a pause, while the page draws too
 * slowly to show more frames, or where many figures would have to be drawn more often.
 */

/** The length of a frame on most screens. On faster screens nothing is spread more finely. */
const FRAME_MS = 1000 / 60;
/** No point is held back longer, the wait for its first frame included. */
const MAX_DELAY_MS = 50;
/** After so long without a frame, or without a message, there is nothing to continue evenly. */
const MAX_PAUSE_MS = 100;
/** Messages are held back if they come at intervals of more frames than this: both of frames that a
 *  screen has, and of those that the page draws. After a long draw several messages come at once,
 *  but in no frame between them there was time to show them. */
const MAX_EVEN_FRAMES = 1.25;
/** Messages are also held back if they come once a frame, but about when the frame begins: some
 *  frames then have two and others none. So often that must be among the last arrivals. */
const MIN_DOUBLES = 2;
/** Messages that come within this time, and before the same frame, are one arrival. */
const CLUMP_MS = FRAME_MS / 2;
/** How many arrivals the usual interval is computed from, at least and at most. */
const MIN_ARRIVALS = 4;
const MAX_ARRIVALS = 16;
/** Two views of a figure draw in the same frame. */
const MIN_FRAME_MS = 3;
/** With more figures in motion, a page holds nothing back: each figure would be drawn 60 times. */
const MAX_SMOOTH_FIGURES = 4;

/** When each figure of this page has drawn last. All kernels of a page share it.
 *  @type {Map<string, number>} */
const drawnAt = sharedMap("tickerkit.drawn");

/** @param {string} name */
function sharedMap(name) {
  const shared = /** @type {Record<symbol, any>} */ (globalThis);
  shared[Symbol.for(name)] ??= new Map();
  return shared[Symbol.for(name)];
}

/**
 * Note that a figure draws; return whether more figures are in motion than can be drawn smoothly.
 *
 * @param {string} figure
 * @param {number} now
 */
export function noteDraw(figure, now) {
  drawnAt.set(figure, now);
  for (const [each, at] of drawnAt) if (now - at > 1000) drawnAt.delete(each);
  return drawnAt.size > MAX_SMOOTH_FIGURES;
}

/**
 * The messages of one figure that are not wholly shown yet. Times are in milliseconds.
 *
 * @template Message
 */
export class Pacing {
  /** In the order in which they came; each is shown evenly from `start` to `end`.
   *  @type {{message: Message, start: number, end: number}[]} */
  #waiting = [];
  #scheduled = 0; // how many of them have a start and an end
  #end = -Infinity; // the end of the last one that was held back
  /** When messages came, how many, and after which frame of the page.
   *  @type {{at: number, count: number, frame: number}[]} */
  #arrivals = [];
  #frames = 0; // how many frames the page has had
  #frameAt = -Infinity; // when the chart was drawn

  /** The messages that are not wholly shown yet, oldest first. */
  get waiting() {
    return this.#waiting.map(({ message }) => message);
  }

  /**
   * Return whether no frame has been drawn for long: what comes now is shown at once.
   *
   * @param {number} now
   */
  isPaused(now) {
    return now - this.#frameAt > MAX_PAUSE_MS;
  }

  /** Note that the page has a frame, whether it shows something new or not. */
  countFrame() {
    this.#frames++;
  }

  /**
   * Add a message that has come since the last frame.
   *
   * @param {Message} message
   * @param {number} now
   */
  add(message, now) {
    this.#waiting.push({ message, start: -Infinity, end: -Infinity });
    const last = this.#arrivals.at(-1);
    if (last && now - last.at > MAX_PAUSE_MS) this.#arrivals = [];
    if (last?.frame === this.#frames && now - last.at < CLUMP_MS) last.count++;
    else this.#arrivals.push({ at: now, count: 1, frame: this.#frames });
    if (this.#arrivals.length > MAX_ARRIVALS) this.#arrivals.shift();
  }

  /** Return all messages that are not wholly shown; they are shown now. */
  takeAll() {
    const { waiting } = this;
    this.#waiting = [];
    this.#scheduled = 0;
    return waiting;
  }

  /**
   * Return what to show in a frame: messages, oldest first, and how much of each. All messages but
   * the last one are shown wholly.
   *
   * @param {number} now when the frame is drawn
   * @param {boolean} isCrowded whether to show everything at once
   * @returns {[Message, number][]}
   */
  show(now, isCrowded = false) {
    if (now - this.#frameAt >= MIN_FRAME_MS) this.#beginFrame(now);
    const soon = isCrowded ? Infinity : now + FRAME_MS / 4;
    /** @type {[Message, number][]} */
    const shown = [];
    let [next] = this.#waiting;
    while (this.#scheduled && next.end <= soon) {
      shown.push([next.message, 1]);
      this.#waiting.shift();
      this.#scheduled--;
      [next] = this.#waiting;
    }
    if (this.#scheduled && next.start < now) {
      shown.push([next.message, (now - next.start) / (next.end - next.start)]);
    }
    return shown;
  }

  /** @param {number} now */
  #beginFrame(now) {
    if (this.isPaused(now)) {
      this.#arrivals = [];
      for (const each of this.#waiting) each.end = -Infinity;
    }
    this.#frameAt = now;
    if (this.#waiting.length > this.#scheduled) this.#schedule(now);
  }

  /**
   * Choose when to show the new messages.
   *
   * @param {number} now
   */
  #schedule(now) {
    const { perArrival, perMessage, frame, doubles } = this.#measure();
    const isRare = perArrival > MAX_EVEN_FRAMES * frame;
    const isHeld = isRare || (doubles >= MIN_DOUBLES && perArrival * MAX_EVEN_FRAMES > frame);
    // In whole frames: all points have been shown when the next message can be.
    const longest = Math.max(1, Math.ceil(perArrival / frame - 1.25)) * frame;
    const latest = now + (isHeld ? Math.min(longest, MAX_DELAY_MS - frame) : 0);
    for (const each of this.#waiting.slice(this.#scheduled)) {
      each.start = Math.max(this.#end, now - frame);
      each.end = Math.min(Math.max(now + perMessage - frame, this.#end + perMessage), latest);
      if (isHeld) this.#end = each.end;
    }
    this.#scheduled = this.#waiting.length;
  }

  /** Return the usual times from one arrival, message and frame to the next, and how often two
   *  arrivals were before the same frame. */
  #measure() {
    const [first, ...others] = this.#arrivals;
    const last = others[others.length - 1];
    if (others.length < MIN_ARRIVALS - 1) {
      return { perArrival: 0, perMessage: 0, frame: FRAME_MS, doubles: 0 };
    }
    const elapsed = last.at - first.at;
    const messages = others.reduce((sum, { count }) => sum + count, 0);
    // On a faster screen, as if it had 60 frames.
    const frame = Math.max(FRAME_MS, elapsed / Math.max(1, last.frame - first.frame));
    const doubles = others.filter((each, at) => each.frame === this.#arrivals[at].frame).length;
    return { perArrival: elapsed / others.length, perMessage: elapsed / messages, frame, doubles };
  }
}
