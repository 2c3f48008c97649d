/**
 * Toolbar: the buttons that call methods of the tap, and what chooses the rows to show.
 */

import { formatCount, make, setText } from "../../runtime/page_parts/elements.js";
import { FilterError, parseFilter } from "./filter.js";
import { CLOSE_CODES } from "./header.js";

/** @import { TapState } from "./messages.d.ts" */
/** @import { Row } from "./ring.js" */
/** @typedef {Record<string, string | number | boolean | null>} Arguments */
/** An entry of a menu: its text, an order, and its arguments.
 *  @typedef {[string, string, Arguments]} Entry */
/** Entries under a heading, which may be empty. @typedef {[string, Entry[]]} Group */

/** The kinds of rows. @type {[string, (row: Row) => boolean][]} */
const KINDS = [
  ["text", (row) => row.kind === "frame" && row.opcode === 1],
  ["binary", (row) => row.kind === "frame" && row.opcode === 2],
  ["ping/pong", (row) => row.kind === "frame" && (row.opcode === 9 || row.opcode === 10)],
  ["close", (row) => row.kind === "frame" && row.opcode === 8],
  ["handshake", (row) => row.kind === "event"],
];
const TOWARDS = /** @type {const} */ (["client", "server"]);
/** What `tap.corrupt` knows, and what the peer should answer. @type {[string, string][]} */
const CORRUPTIONS = [
  ["rsv", "RSV2 set → 1002"],
  ["opcode", "opcode 3 → 1002"],
  ["mask", "mask bit inverted → 1002"],
  ["continuation", "continuation without start → 1002"],
  ["ping", "ping of 126 bytes → 1002"],
  ["length", "length one too large → 1002"],
  ["utf8", "byte 0xFF in text → 1007"],
  ["size", "length of 1 TiB → 1009"],
  ["json", "JSON without its end → stays open"],
];
/**
 * @param {string} order
 * @param {[string, Arguments][]} entries text and arguments
 * @returns {Entry[]}
 */
const withOrder = (order, entries) => entries.map(([text, values]) => [text, order, values]);
/** @type {[string, Arguments][]} */
const RATES = [
  ["all frames", {}],
  ...[0.5, 1, 2, 5, 10].map(
    (rate) => /** @type {[string, Arguments]} */ ([`${rate} a second`, { rate }]),
  ),
];
/** @type {Group[]} */
const SLOW = [
  [
    "stall: nothing passes for",
    [1, 3, 5, 10].map((seconds) => [`${seconds} s`, "stall", { seconds }]),
  ],
  [
    "delay: everything passes later by",
    [0, 0.1, 0.2, 0.5, 1, 2].map((seconds) => [
      seconds ? `${seconds} s` : "0 s, no more",
      "delay",
      { seconds },
    ]),
  ],
  [
    "trickle: a byte each millisecond, for",
    [100, 500, 2000].map((count) => [`${formatCount(count)} bytes`, "trickle", { count }]),
  ],
];
/** What happens to the next frame. @type {Group[]} */
const CHANGES = TOWARDS.map((toward) => [
  `the next frame to the ${toward}`,
  [
    ...[2, 3, 5].map(
      (parts) => /** @type {Entry} */ ([`in ${parts} fragments`, "fragment", { parts, toward }]),
    ),
    ...CORRUPTIONS.map(
      ([kind, text]) => /** @type {Entry} */ ([text, "corrupt", { kind, toward }]),
    ),
    ["half of it, then the end of TCP", "truncate", { toward }],
  ],
]);
const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013];
/** What the tap can save, and for which program. @type {[string, Arguments][]} */
const FORMATS = [
  [".pcapng, for Wireshark", { suffix: "pcapng" }],
  [".har, for Chrome's network panel", { suffix: "har" }],
  [".jsonl, a line for each frame", { suffix: "jsonl" }],
];
const COMPRESSION =
  "Whether clients may ask the server for permessage-deflate. Where not, the tap removes the" +
  " header Sec-WebSocket-Extensions from the request, from the next connection on.";
/** How many connections there are to choose from. */
const MAX_LINKS = 300;

export class Toolbar {
  #give;
  #onFilter;
  #isHeld = false;
  /** @type {Set<string>} */
  #kinds = new Set(KINDS.map(([name]) => name));
  /** @type {(row: import("./ring.js").FrameRow) => boolean} */
  #test = () => true;

  /**
   * @param {(name: string, values: Arguments) => void} give gives an order to the tap
   * @param {() => void} onFilter called when other rows are to be shown
   * @param {(isOn: boolean) => void} onLadder called when rows are to be shown as arrows, or not
   */
  constructor(give, onFilter, onLadder) {
    this.#give = give;
    this.#onFilter = onFilter;
    this.hold = this.#makeButton("Hold", "hold back all frames (space)", () => this.toggleHold());
    const step = this.#makeButton("Step", "let one frame pass (n)", () => this.step());
    const project = this.#makeButton("Projector", "the panel in a window of its own", () =>
      this.#give("project", {}),
    );
    project.classList.add("tk-project");
    this.compression = make("input", { type: "checkbox" });
    this.compression.addEventListener("change", () =>
      this.#give("compress", { is_on: this.compression.checked }),
    );
    this.link = make("select", { title: "rows and orders of one connection" }, [
      make("option", { value: "", text: "all connections" }),
    ]);
    this.link.setAttribute("aria-label", "connection");
    this.link.addEventListener("change", () => this.#onFilter());
    const orders = make("div", { class: "tk-bar", role: "toolbar" }, [
      this.hold,
      step,
      this.#makeMenu("Rate", [["", withOrder("run", RATES)]]),
      this.#makeMenu("Slow", SLOW),
      this.#makeMenu("Change", CHANGES),
      this.#makeMenu("Ping", [
        ["", TOWARDS.map((toward) => [`the ${toward}`, "ping", { toward }])],
      ]),
      this.#makeMenu("Close", [
        ["", CODES.map((code) => [`${code} ${CLOSE_CODES[code]}`, "close", { code }])],
      ]),
      this.#makeButton("Drop", "reset the TCP connection", () => this.#order("drop", {})),
      this.#makeMenu("Save", [["", withOrder("save", FORMATS)]]),
      project,
      make("label", { title: COMPRESSION }, [this.compression, "compression"]),
    ]);
    orders.setAttribute("aria-label", "orders to the tap");
    this.input = make("input", {
      type: "search",
      class: "tk-filter",
      spellcheck: "false",
      placeholder: 'filter: opcode == 9 or "AAPL"',
      title:
        "opcode, fin, rsv, mask, length, code, payload, note, link, toward, seq; == != < <= > >=" +
        ' contains; and, or, not, ( ); "text" looks in the first 120 bytes of payloads',
    });
    this.input.setAttribute("aria-label", "filter of frames");
    this.input.addEventListener("input", () => this.#readFilter());
    this.problem = make("span", { class: "tk-problem", role: "alert" });
    this.toward = make("select", {}, [
      make("option", { value: "", text: "→ and ←" }),
      make("option", { value: "server", text: "→ toward the server" }),
      make("option", { value: "client", text: "← toward the client" }),
    ]);
    this.toward.setAttribute("aria-label", "direction");
    this.toward.addEventListener("change", () => this.#onFilter());
    const ladder = make("input", { type: "checkbox" });
    ladder.addEventListener("change", () => onLadder(ladder.checked));
    const filters = make("div", { class: "tk-bar" }, [
      this.link,
      this.toward,
      ...KINDS.map(([name]) => this.#makeKind(name)),
      this.input,
      make("label", { title: "frames as arrows between client and server" }, [ladder, "ladder"]),
      this.problem,
    ]);
    this.element = make("div", {}, [orders, filters]);
  }

  /** Return whether a row is to be shown. @param {Row} row */
  shows(row) {
    if (row.kind === "count") return true;
    const link = this.link.value;
    if (link && String(row.link) !== link) return false;
    if (this.toward.value && row.toward && row.toward !== this.toward.value) return false;
    // Others are always shown: continuations, and frames whose opcode has no meaning.
    const kind = KINDS.find(([, isOf]) => isOf(row));
    if (kind && !this.#kinds.has(kind[0])) return false;
    return row.kind === "event" ? !this.input.value.trim() : this.#test(row);
  }

  toggleHold() {
    this.#order(this.#isHeld ? "run" : "hold", {});
  }

  step() {
    this.#order("step", {});
  }

  /** @param {TapState} state */
  update({ status, links, compression }) {
    this.compression.checked = compression;
    this.#isHeld = status === "holding";
    setText(this.hold, this.#isHeld ? "Run" : "Hold");
    this.hold.title = this.#isHeld ? "let all frames pass (space)" : "hold back all frames (space)";
    this.hold.setAttribute("aria-pressed", String(this.#isHeld));
    const known = [...this.link.options].map(({ value }) => value);
    for (const [number, client] of links) {
      if (known.includes(String(number))) continue;
      this.link.append(make("option", { value: String(number), text: `${number}: ${client}` }));
    }
    while (this.link.options.length > MAX_LINKS) {
      const oldest = this.link.options[1];
      if (oldest.selected) this.link.value = "";
      oldest.remove();
    }
  }

  /**
   * @param {string} name
   * @param {Arguments} values
   */
  #order(name, values) {
    const link = Number(this.link.value);
    this.#give(name, link && name !== "save" ? { ...values, link } : values);
  }

  /**
   * @param {string} text
   * @param {string} title
   * @param {() => void} onClick
   */
  #makeButton(text, title, onClick) {
    const button = make("button", { type: "button", text, title });
    button.addEventListener("click", onClick);
    return button;
  }

  /**
   * A menu: its first entry is its name.
   *
   * @param {string} name
   * @param {Group[]} groups
   */
  #makeMenu(name, groups) {
    const entries = groups.flatMap(([, group]) => group);
    const option = (/** @type {Entry} */ entry) =>
      make("option", { value: String(entries.indexOf(entry)), text: entry[0] });
    const menu = make("select", {}, [
      make("option", { value: "", text: name }),
      ...groups.flatMap(([label, group]) =>
        label ? [make("optgroup", { label }, group.map(option))] : group.map(option),
      ),
    ]);
    menu.setAttribute("aria-label", name);
    menu.addEventListener("change", () => {
      const [, order, values] = entries[Number(menu.value)];
      menu.value = "";
      this.#order(order, values);
    });
    return menu;
  }

  /** @param {string} name */
  #makeKind(name) {
    const box = make("input", { type: "checkbox" });
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) this.#kinds.add(name);
      else this.#kinds.delete(name);
      this.#onFilter();
    });
    return make("label", {}, [box, name]);
  }

  #readFilter() {
    try {
      this.#test = parseFilter(this.input.value);
      setText(this.problem, "");
      this.input.removeAttribute("aria-invalid");
      this.#onFilter();
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      setText(this.problem, error.message);
      this.input.setAttribute("aria-invalid", "true");
    }
  }
}
