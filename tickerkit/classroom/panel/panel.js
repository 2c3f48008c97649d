/**
 * Panel: a tap in a page. It takes the kernel's frames, and sends it the user's orders.
 */

import { isDark } from "../../chart/figure/theme.js";
import { Detail } from "./detail.js";
import { formatCount, formatRate, make, setText } from "../../runtime/page_parts/elements.js";
import { keepKeys } from "../../runtime/page_parts/keys.js";
import { Presence } from "../../runtime/page_parts/presence.js";
import { Ring } from "./ring.js";
import { RowList } from "./row_list.js";
import { Toolbar } from "./toolbar.js";

/** @import { Model } from "../../chart/figure/types.d.ts" */
/** @import { FramesMessage, FromKernel, FromPage, TapState } from "./messages.d.ts" */

/** Over how long the rates are measured. */
const RATE_MS = 1000;
/** What becomes a link in an answer of the tap. */
const ADDRESS = /(https?:\/\/\S+)/;
/** Shown until the first answer. */
const KEYS =
  "Keys: space holds the frames, n lets one pass, / goes to the filter, arrows choose a row.";
const BARS = "▁▂▃▄▅▆▇█";
const MAX_BARS = 12;

/** What the panel needs of its model. @typedef {Pick<Model, "on" | "send">} Channel */

/** One panel of a kernel, shared by all of its views in this page. */
class Panel {
  ring = new Ring();
  /** @type {TapState | null} */
  state = null;

  #model;
  #presence;
  /** @type {Set<PanelView>} */
  #views = new Set();
  #orders = 0;

  /** @param {Channel} model */
  constructor(model) {
    this.#model = model;
    this.#presence = new Presence(
      (message) => this.send(message),
      () => this.ring.next,
    );
    model.on("msg:custom", (content, buffers) => this.#receive(content, buffers));
  }

  /** @param {FromPage} message */
  send(message) {
    this.#model.send(message);
  }

  /**
   * @param {string} name
   * @param {Record<string, string | number | boolean | null>} values
   */
  order(name, values) {
    this.send({
      kind: "order",
      id: `${this.#presence.page}-${this.#orders++}`,
      name,
      arguments: values,
    });
  }

  /**
   * @param {FromKernel} message
   * @param {DataView[]} buffers
   */
  #receive(message, buffers) {
    if (message.kind === "frames") {
      this.ring.take(message);
      this.state = message.state;
      for (const view of this.#views) view.receive(message);
    } else if (message.kind === "payload") {
      for (const view of this.#views) view.detail.receive(message, buffers);
    } else if (message.id.startsWith(`${this.#presence.page}-`)) {
      for (const view of this.#views) view.showAnswer(message.text, message.ok);
    }
  }

  /** @param {PanelView} view */
  add(view) {
    this.#views.add(view);
    this.#presence.add();
  }

  /** @param {PanelView} view */
  remove(view) {
    this.#views.delete(view);
    this.#presence.remove();
  }
}

/** One place in a page where a panel is shown. */
class PanelView {
  #panel;
  #frame = 0; // the pending animation frame, 0 without one
  /** How many frames and bytes there were, and when, over the last second.
   *  @type {{at: number, frames: number, bytes: number}[]} */
  #counts = [];
  #bars = "";
  #barAt = 0;
  #fastest = 1;

  /**
   * @param {Panel} panel
   * @param {HTMLElement} el
   */
  constructor(panel, el) {
    this.#panel = panel;
    this.detail = new Detail((seq) => panel.send({ kind: "ask", seq }));
    this.list = new RowList(panel.ring, (row) => this.detail.show(row));
    this.toolbar = new Toolbar(
      (name, values) => panel.order(name, values),
      () => this.list.filter((row) => this.toolbar.shows(row)),
      (isOn) => this.list.element.classList.toggle("tk-ladder", isOn),
    );
    this.list.filter((row) => this.toolbar.shows(row));
    this.title = make("b");
    this.status = make("span", { class: "tk-status" });
    this.numbers = make("span", { class: "tk-numbers" });
    this.bars = make("span", { class: "tk-bars", "aria-hidden": "true" });
    this.answer = make("span", { class: "tk-answer", role: "status", text: KEYS });
    const head = make("div", { class: "tk-bar tk-top" }, [
      this.title,
      this.status,
      this.bars,
      this.numbers,
      this.answer,
    ]);
    this.element = make("div", { class: "tk-panel", role: "region" }, [
      head,
      this.toolbar.element,
      this.list.element,
      this.detail.element,
    ]);
    this.element.setAttribute("aria-label", "tap");
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    keepKeys(this.element);
    this.watcher = new MutationObserver(() => this.#applyTheme());
    this.watcher.observe(document.body, { attributes: true });
    this.#applyTheme();
    el.append(this.element);
    this.#request();
  }

  remove() {
    cancelAnimationFrame(this.#frame);
    this.watcher.disconnect();
    this.element.remove();
  }

  #applyTheme() {
    this.element.classList.toggle("tk-dark", isDark());
  }

  /** @param {FramesMessage} message */
  receive({ state }) {
    const now = performance.now();
    this.#counts.push({ at: now, frames: state.frames, bytes: state.bytes });
    while (this.#counts.length > 2 && now - this.#counts[1].at > RATE_MS) this.#counts.shift();
    this.toolbar.update(state);
    this.#request();
  }

  /**
   * @param {string} text
   * @param {boolean} isOk
   */
  showAnswer(text, isOk) {
    this.answer.classList.toggle("tk-refused", !isOk);
    const parts = (isOk ? text : `✗ ${text}`).split(ADDRESS);
    const links = { target: "_blank", rel: "noopener" };
    this.answer.replaceChildren(
      ...parts.map((part, at) => (at % 2 ? make("a", { ...links, href: part, text: part }) : part)),
    );
  }

  #request() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    this.list.draw();
    const { state, ring } = this.#panel;
    if (!state) {
      setText(this.title, "tap");
      setText(this.status, "waiting for the kernel");
      return;
    }
    setText(this.title, `tap ${state.address} → ${state.server}`);
    setText(this.status, `● ${state.status}${state.rate ? ` ${state.rate} a second` : ""}`);
    this.status.dataset.status = state.status;
    const { frames, bytes } = this.#measure();
    const { held, held_s, gives_up_s } = state;
    const pings = state.links
      .slice(-1)
      .map(([, , client, server]) => `ping ${formatPing(client)}/${formatPing(server)} ms`);
    const texts = [
      state.links.length === 1 ? "1 connection" : `${formatCount(state.links.length)} connections`,
      `${formatCount(state.frames)} frames`,
      `${formatCount(Math.round(frames))} a second`,
      formatRate(bytes),
      held ? `held ${formatCount(held)} for ${held_s} s` : "",
      gives_up_s === null ? "" : `the page gives up in ${Math.max(gives_up_s, 0)} s`,
      ring.omitted ? `${formatCount(ring.omitted)} not shown` : "",
      ...pings.filter((text) => !text.includes("–/–")),
    ].filter(Boolean);
    setText(this.numbers, texts.join(" · "));
    this.#drawBars(frames);
    // The rates fall to zero when nothing comes any more.
    if (frames > 0) setTimeout(() => this.#request(), RATE_MS / 2);
  }

  #measure() {
    const now = performance.now();
    const first = this.#counts[0];
    const last = this.#counts[this.#counts.length - 1];
    if (!first || now - last.at > RATE_MS) return { frames: 0, bytes: 0 };
    const seconds = Math.max((now - first.at) / 1000, 0.5);
    return {
      frames: Math.max(last.frames - first.frames, 0) / seconds,
      bytes: Math.max(last.bytes - first.bytes, 0) / seconds,
    };
  }

  /** Draw the frames a second of the last ten seconds. @param {number} frames */
  #drawBars(frames) {
    const now = performance.now();
    if (now - this.#barAt < RATE_MS / 2) return;
    this.#barAt = now;
    this.#fastest = Math.max(this.#fastest * 0.98, frames, 1);
    const bar = BARS[Math.min(Math.floor((frames / this.#fastest) * 8), 7)];
    this.#bars = (this.#bars + bar).slice(-MAX_BARS);
    setText(this.bars, this.#bars);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.key === "Escape") {
      this.list.scroller.focus();
      event.preventDefault();
    }
    if (["INPUT", "SELECT"].includes(target.tagName)) return;
    if (event.key === " " && target.tagName === "BUTTON") return; // it presses the button
    if (event.key === " ") this.toolbar.toggleHold();
    else if (event.key === "n") this.toolbar.step();
    else if (event.key === "/") this.toolbar.input.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** @param {number | null} ms */
const formatPing = (ms) => (ms === null ? "–" : ms.toFixed(1));

export default () => {
  /** @type {Panel} */
  let panel;
  return {
    /** @param {{model: Channel}} props */
    initialize({ model }) {
      panel = new Panel(model);
    },
    /** @param {{el: HTMLElement}} props */
    render({ el }) {
      const view = new PanelView(panel, el);
      panel.add(view);
      return () => {
        panel.remove(view);
        view.remove();
      };
    },
  };
};
