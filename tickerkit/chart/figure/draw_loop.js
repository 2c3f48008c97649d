/**
 * Draw loop: draws at most once for each frame of the page, and one draw at a time.
 */

/** Draws when asked to, however often it is asked before the next frame. */
export class DrawLoop {
  #run;
  #draw;
  #isWanted = false; // there is something to draw
  #isDrawing = false;
  #isStopped = false;
  #frame = 0; // the pending animation frame, 0 without one

  /**
   * @param {object} actions
   * @param {(action: () => Promise<void>) => void} actions.run runs a draw after what is queued
   * @param {() => boolean} actions.isAllowed returns whether to draw now; else the wish remains
   * @param {() => Promise<boolean>} actions.draw returns whether all is drawn; else it is repeated
   */
  constructor({ run, isAllowed, draw }) {
    this.#run = run;
    this.#draw = async () => {
      if (isAllowed()) await this.#drawOnce(draw);
    };
  }

  /** Draw with the next frame. */
  request() {
    this.#isWanted = true;
    if (this.#frame || this.#isDrawing || this.#isStopped) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#run(this.#draw);
    });
  }

  /** @param {() => Promise<boolean>} draw */
  async #drawOnce(draw) {
    this.#isDrawing = true;
    this.#isWanted = false;
    try {
      if (!(await draw())) this.#isWanted = true;
    } finally {
      this.#isDrawing = false;
    }
    if (this.#isWanted) this.request();
  }

  stop() {
    this.#isStopped = true;
    cancelAnimationFrame(this.#frame);
  }
}
