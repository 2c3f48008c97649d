/**
 * Presence: reports to the kernel while this page shows a widget.
 */

/** The first report, and each after a message was lost, has the number of what the page needs next.
 *  @typedef {{kind: "here", page: string, from?: number}} Here */
/** @typedef {{kind: "away", page: string}} Away */

/** How often the page reports; the kernel waits six times as long. */
const HERE_EVERY_MS = 10_000;

export class Presence {
  /** What the kernel calls this page. */
  page = Math.random().toString(36).slice(2);

  #send;
  #findFrom;
  #views = 0;
  #isHere = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {(message: Here | Away) => void} send
   * @param {() => number} findFrom returns what the page needs next, once it is shown again
   */
  constructor(send, findFrom) {
    this.#send = send;
    this.#findFrom = findFrom;
  }

  /** Note that a view is shown; the first one is reported at once. */
  add() {
    this.#views += 1;
    if (this.#views > 1) return;
    this.#timer = setInterval(this.#report, HERE_EVERY_MS);
    document.addEventListener("visibilitychange", this.#report);
    this.#report();
  }

  /** Note that a view is gone. */
  remove() {
    this.#views -= 1;
    if (this.#views) return;
    clearInterval(this.#timer);
    document.removeEventListener("visibilitychange", this.#report);
    this.#report();
  }

  /** Ask again for all from what the page needs next: a message was lost. */
  ask() {
    this.#isHere = false;
    this.#report();
  }

  #report = () => {
    const isHere = document.visibilityState === "visible" && this.#views > 0;
    const { page } = this;
    if (isHere && !this.#isHere) this.#send({ kind: "here", page, from: this.#findFrom() });
    else if (isHere) this.#send({ kind: "here", page });
    else if (this.#isHere) this.#send({ kind: "away", page });
    this.#isHere = isHere;
  };
}
