/**
 * Detail: the chosen row whole: the bits of a frame and its payload, or the head of a handshake.
 */

import { describeParts } from "./bits.js";
import { formatCount, make } from "../../runtime/page_parts/elements.js";
import { applyMask, fromHex, parseHeader } from "./header.js";
import { dumpHex, formatContent, makeLinesVisible, makeVisible } from "./payload.js";
import { FLAGS } from "./ring.js";

/** @import { PayloadMessage } from "./messages.d.ts" */
/** @import { FrameRow, Row } from "./ring.js" */

/** How much of a payload is shown until the user asks for all. */
const SHOWN_BYTES = 2048;
const FORMS = /** @type {const} */ (["text", "hex", "json"]);

export class Detail {
  #ask;
  /** @type {Row | null} */
  #row = null;
  /** @type {(typeof FORMS)[number]} */
  #form = "text";
  #showsAll = false;
  /** The message about the chosen frame, its payload, and the same inflated.
   *  @type {{message: PayloadMessage, payload: Uint8Array, content: Uint8Array} | null} */
  #whole = null;

  /** @param {(seq: number) => void} ask asks the kernel for a frame */
  constructor(ask) {
    this.#ask = ask;
    this.element = make("div", { class: "tk-detail", role: "region", hidden: "" });
    this.element.setAttribute("aria-label", "the chosen row");
  }

  /** @param {Row} row */
  show(row) {
    this.#row = row;
    this.#whole = null;
    this.#showsAll = false;
    if (row.kind === "frame") this.#ask(row.seq);
    this.#draw();
  }

  hide() {
    this.#row = null;
    this.element.hidden = true;
  }

  /**
   * @param {PayloadMessage} message
   * @param {DataView[]} buffers
   */
  receive(message, buffers) {
    if (this.#row?.kind !== "frame" || this.#row.seq !== message.seq) return;
    const [payload, content] = buffers.map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    );
    if (payload) this.#whole = { message, payload, content: content ?? payload };
    this.#draw(payload ? "" : "The tap no longer holds this frame: only its beginning is shown.");
  }

  #draw(problem = "") {
    const row = this.#row;
    if (!row || row.kind === "count") return;
    this.element.hidden = false;
    const close = make("button", { type: "button", class: "tk-close", title: "close", text: "✕" });
    close.setAttribute("aria-label", "close the chosen row");
    close.addEventListener("click", () => this.hide());
    const parts = row.kind === "event" ? this.#drawEvent(row) : this.#drawFrame(row, problem);
    this.element.replaceChildren(close, ...parts);
  }

  /** @param {import("./ring.js").EventRow} row */
  #drawEvent(row) {
    const what = row.what === "end" ? makeVisible(row.line) : row.what;
    const title = `connection ${row.link}: ${what}`;
    return [make("h4", { text: title }), make("pre", { text: makeLinesVisible(row.text) })];
  }

  /**
   * @param {FrameRow} row
   * @param {string} problem
   */
  #drawFrame(row, problem) {
    const header = fromHex(row.headerHex);
    const payload = this.#whole?.payload ?? row.payload;
    const content = this.#whole?.content ?? row.payload;
    const facts = [this.#describeReads(), row.note, this.#whole?.message.problem, problem];
    const title = `frame ${formatCount(row.seq)}, ${row.word}, toward the ${row.toward}`;
    const children = [
      make("h4", { text: title }),
      make("p", { class: "tk-facts", text: facts.filter(Boolean).join(" · ") }),
      drawBoxes(header, row.length),
    ];
    const came = this.#whole?.message.came;
    if (came) {
      const bytes = fromHex(came);
      const { size, length } = parseHeader(bytes);
      children.push(
        make("p", { class: "tk-facts", text: "It came to the tap as:" }),
        drawBoxes(bytes.slice(0, size), length),
      );
    }
    children.push(this.#drawPayload(row, payload, content));
    return children;
  }

  #describeReads() {
    if (!this.#whole) return "";
    const { read, offset, reads } = this.#whole.message;
    if (read < 0) return "made by the tap";
    const count = reads === 1 ? "one read of the tap" : `${formatCount(reads)} reads of the tap`;
    return `in ${count}, from byte ${formatCount(offset)} of read ${formatCount(read)}`;
  }

  /**
   * @param {FrameRow} row
   * @param {Uint8Array} payload unmasked
   * @param {Uint8Array} content the same, inflated
   */
  #drawPayload(row, payload, content) {
    const limit = this.#showsAll ? Number.POSITIVE_INFINITY : SHOWN_BYTES;
    const { key } = row.header;
    const columns = [];
    if (key.length) {
      const masked = applyMask(payload, key);
      columns.push(drawColumn("masked, as on the wire", dumpHex(masked.subarray(0, limit)), true));
    }
    if (row.flags & FLAGS.inflated && this.#whole) {
      columns.push(drawColumn("deflated", dumpHex(payload.subarray(0, limit)), true));
    }
    const isInflated = row.flags & FLAGS.inflated;
    const name = isInflated ? "inflated" : key.length ? "unmasked" : "payload";
    const text = formatContent(content.subarray(0, limit), this.#form);
    const last = drawColumn(name, text, this.#form === "hex");
    last.firstElementChild?.append(this.#drawForms());
    columns.push(last);
    const element = make("div", { class: "tk-columns" }, columns);
    const size = Math.max(payload.length, content.length);
    if (size > limit) {
      const all = make("button", { type: "button", text: `show all ${formatCount(size)} bytes` });
      all.addEventListener("click", () => {
        this.#showsAll = true;
        this.#draw();
      });
      element.append(all);
    }
    return element;
  }

  #drawForms() {
    const buttons = FORMS.map((form) => {
      const button = make("button", { type: "button", text: form });
      button.setAttribute("aria-pressed", String(form === this.#form));
      button.addEventListener("click", () => {
        this.#form = form;
        this.#draw();
      });
      return button;
    });
    const group = make("span", { class: "tk-forms", role: "group" }, buttons);
    group.setAttribute("aria-label", "how the payload is shown");
    return group;
  }
}

/**
 * @param {string} name
 * @param {string} text
 * @param {boolean} isHex whether its lines must not be broken
 */
const drawColumn = (name, text, isHex) =>
  make("div", {}, [
    make("h5", { text: name }),
    make("pre", { text, dir: "ltr", class: isHex ? "tk-hex" : "" }),
  ]);

/**
 * @param {Uint8Array} header
 * @param {number} length
 */
function drawBoxes(header, length) {
  const boxes = describeParts(header, length).map(({ name, kind, raw, value, about }) =>
    make("li", { class: `tk-box tk-box-${kind}`, title: about, tabindex: "0" }, [
      make("span", { class: "tk-name", text: name }),
      make("code", { text: raw }),
      make("span", { class: "tk-value", text: value }),
      make("span", { class: "tk-unseen", text: about }),
    ]),
  );
  const list = make("ol", { class: "tk-boxes" }, boxes);
  list.setAttribute("aria-label", "the parts of the frame in the order of RFC 6455, 5.2");
  return list;
}
