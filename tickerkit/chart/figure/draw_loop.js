/**
 * Draw loop: draws at most once for each frame of the page, and one draw at a time.
 */

/** Draws once for all requests before the next frame. */
export class DrawLoop {
  #run;
  #draw;
  #isRequested = false; // there is something to draw
  #isDrawing = false;
  #isStopped = false;
  #frame = 0; // the pending animation frame, 0 without one

  /**
   * @param {object} actions
   * @param {(action: () => Promise<void>) => void} actions.run runs a draw after the queued actions
   * @param {() => boolean} actions.isAllowed returns whether to draw now; if not, nothing is drawn
   *   until the next request
   * @param {() => Promise<boolean>} actions.draw returns false to be called again in the next frame
   */
  constructor({ run, isAllowed, draw }) {
    this.#run = run;
    this.#draw = async () => {
      if (isAllowed()) await this.#drawOnce(draw);
    };
  }

  /** Draw with the next frame. */
  request() {
    this.#isRequested = true;
    if (this.#frame || this.#isDrawing || this.#isStopped) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#run(this.#draw);
    });
  }

  /** @param {() => Promise<boolean>} draw */
  async #drawOnce(draw) {
    this.#isDrawing = true;
    this.#isRequested = false;
    try {
      if (!(await draw())) this.#isRequested = true;
    } finally {
      this.#isDrawing = false;
      if (this.#isRequested) this.request();
    }
  }

  stop() {
    this.#isStopped = true;
    cancelAnimationFrame(this.#frame);
  }
}
