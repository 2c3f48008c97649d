/**
 * Choices: what the dashboard shows. A choice of the user's is shown at once, and sent; then the
 * kernel sets the trait, or says why not.
 */

/** @import { ChooseMessage, DeskChoices } from "./messages.d.ts" */

/** How long to show a choice that the kernel has not confirmed. */
const PENDING_MS = 5000;
/** How long to wait for more letters before a filter is sent. */
const TYPING_MS = 400;

export class Choices {
  #read;
  #send;
  #onChange;
  /** What the kernel has not confirmed. @type {Partial<DeskChoices>} */
  #pending = {};
  /** What is not sent yet. @type {Partial<DeskChoices>} */
  #unsent = {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #sending;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #dropping;

  /**
   * @param {() => DeskChoices} read returns the trait
   * @param {(message: ChooseMessage) => void} send
   * @param {() => void} onChange called when what is shown has changed
   */
  constructor(read, send, onChange) {
    this.#read = read;
    this.#send = send;
    this.#onChange = onChange;
  }

  /** @returns {DeskChoices} */
  get shown() {
    return { ...this.#read(), ...this.#pending };
  }

  /** @param {Partial<DeskChoices>} choices */
  choose(choices) {
    Object.assign(this.#pending, choices);
    Object.assign(this.#unsent, choices);
    clearTimeout(this.#sending);
    clearTimeout(this.#dropping);
    this.#dropping = setTimeout(() => this.drop(), PENDING_MS);
    if (Object.keys(choices).join() === "filter") {
      this.#sending = setTimeout(() => this.#sendAll(), TYPING_MS);
    } else {
      this.#sendAll();
    }
    this.#onChange();
  }

  #sendAll() {
    const choices = this.#unsent;
    this.#unsent = {};
    this.#send({ kind: "choose", choices });
  }

  /** The kernel has set the trait. */
  confirm() {
    /** @type {Record<string, unknown>} */
    const set = { ...this.#read() };
    for (const [name, value] of Object.entries(this.#pending)) {
      const isSet = JSON.stringify(set[name]) === JSON.stringify(value);
      if (isSet) delete this.#pending[/** @type {keyof DeskChoices} */ (name)];
    }
    this.#onChange();
  }

  /** Show what the kernel has, such as after it has refused a choice. */
  drop() {
    if (!Object.keys(this.#pending).length) return;
    this.#pending = { ...this.#unsent };
    this.#onChange();
  }
}
