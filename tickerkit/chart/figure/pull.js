/**
 * Pull: in Google Colab, messages of the kernel's threads do not reach a page, so the page asks for
 * a figure's points. The kernel answers while it is idle.
 */

/** @import { HereMessage, KernelMessage } from "../messages.d.ts" */

const PULL_FUNCTION = "tickerkit.pull";
const PULL_EVERY_MS = 100;
/** After an error: the kernel may have been restarted. */
const PULL_AGAIN_MS = 5000;

/** Asks for the points of one figure, one question at a time. */
export class Pull {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** How many changes of traces and layout the kernel had sent by the last answer. */
  #edits = -1;

  /**
   * @param {object} figure
   * @param {string} figure.key identifies the figure for the kernel
   * @param {() => HereMessage} figure.report returns the page's report, with its positions
   * @param {(content: KernelMessage, buffers: DataView[]) => void} figure.receive takes a message
   * @param {() => void} figure.askState asks for traces and layout: their changes may be lost
   */
  constructor({ key, report, receive, askState }) {
    this.key = key;
    this.report = report;
    this.receive = receive;
    this.askState = askState;
  }

  /** Ask from now on. */
  start() {
    this.#timer ??= setTimeout(() => this.#ask(), 0);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #ask() {
    const timer = this.#timer;
    let wait = PULL_EVERY_MS;
    try {
      if (document.visibilityState === "visible") await this.#take();
    } catch (error) {
      console.error(error);
      wait = PULL_AGAIN_MS;
    }
    // Otherwise it was stopped meanwhile, and perhaps started again.
    if (this.#timer === timer) this.#timer = setTimeout(() => this.#ask(), wait);
  }

  async #take() {
    const { kernel } = /** @type {any} */ (globalThis).google.colab;
    const result = await kernel.invokeFunction(PULL_FUNCTION, [this.key, this.report()], {});
    const { edits = this.#edits, messages = [] } = result.data["application/json"];
    if (edits !== this.#edits) this.askState();
    this.#edits = edits;
    for (const { content, buffers } of messages) this.receive(content, buffers.map(unpack));
  }
}

/** @param {string} text base64 */
function unpack(text) {
  return new DataView(Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer);
}
