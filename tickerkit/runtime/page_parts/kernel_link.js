/**
 * Kernel link: sends messages to a widget's kernel, and notices that the kernel is gone.
 */

/** @import { Model } from "../../chart/figure/types.d.ts" */

/** What to show beside a state that no longer is. */
export const KERNEL_IS_GONE = "the kernel has ended or was restarted: run the cell again";
/** JupyterLab disposes of the connections of a kernel a moment after it says that it restarts. */
const PROBE_AFTER_MS = 1_000;

export class KernelLink {
  /** Whether the kernel that made the widget is gone. */
  isLost = false;

  #model;
  #onLoss;

  /**
   * @param {Model} model
   * @param {() => void} onLoss called once
   */
  constructor(model, onLoss) {
    this.#model = model;
    this.#onLoss = onLoss;
    model.on("comm_live_update", this.#probe);
  }

  /**
   * Send a message. JupyterLab raises an error where the kernel is gone; no other is sent then.
   *
   * @param {object} message
   * @param {ArrayBuffer[]} [buffers]
   */
  send(message, buffers) {
    if (this.isLost) return;
    try {
      this.#model.send(message, undefined, buffers);
    } catch (error) {
      console.warn("tickerkit:", error);
      this.isLost = true;
      this.#onLoss();
    }
  }

  stop() {
    this.#model.off("comm_live_update", this.#probe);
  }

  // The kernel ignores a message of a kind that it doesn't know.
  #probe = () => {
    setTimeout(() => this.send({ kind: "probe" }), PROBE_AFTER_MS);
  };
}
