/**
 * Controls: the buttons and menus of a dashboard.
 */

import { make, setText } from "../../runtime/page_parts/elements.js";

/** @typedef {{value: string, text: string, title?: string, group?: string}} Entry */

/** With more entries, a choice is always a menu. */
const MAX_SEGMENTS = 6;
const SVG = "http://www.w3.org/2000/svg";

/** The icons, drawn in a square of 16 by 16. */
const ICONS = {
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  play: "M4 2.5v11l9-5.5z",
  record: "M8 3.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z",
  stop: "M4 4h8v8H4z",
  alert: "M8 2.5l5.5 5.5L8 13.5 2.5 8z",
  gap: "M1 6.5h5l-1 3H1zM11 6.5h4v3h-5z",
  message: "M5.5 3.2 10.3 8l-4.8 4.8 1.2 1.2 6-6-6-6z",
  chart: "M2 13V3h1.3v8.7H14V13zM4.5 9.6 7 6.4l2.2 2L13 4l1 .9-4.7 5.4-2.2-2-1.6 2.1z",
  bell:
    "M8 1.5c.6 0 1 .4 1 1 1.8.5 3 2 3 4V10l1.4 1.6v.9H2.6v-.9L4 10V6.5c0-2 1.2-3.5 3-4 0-.6.4-1" +
    " 1-1zM6.4 13.3h3.2c-.2.8-.8 1.2-1.6 1.2s-1.4-.4-1.6-1.2z",
};

/** @param {keyof typeof ICONS} name */
export function makeIcon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "tkd-icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "path"));
  setIcon(svg, name);
  return svg;
}

/**
 * @param {SVGElement} svg
 * @param {keyof typeof ICONS} name
 */
export function setIcon(svg, name) {
  svg.children[0].setAttribute("d", ICONS[name]);
}

/** A button with an icon and a text, which a narrow dashboard leaves out. */
export class IconButton {
  /**
   * @param {keyof typeof ICONS} icon
   * @param {string} text
   * @param {string} title
   * @param {() => void} onClick
   */
  constructor(icon, text, title, onClick) {
    this.icon = makeIcon(icon);
    this.text = make("span", { class: "tkd-text", text });
    this.element = make("button", { type: "button", class: "tkd-button", title });
    this.element.append(this.icon, this.text);
    this.element.addEventListener("click", onClick);
  }

  /**
   * @param {keyof typeof ICONS} icon
   * @param {string} text
   * @param {boolean} [isPressed]
   */
  update(icon, text, isPressed) {
    setIcon(this.icon, icon);
    setText(this.text, text);
    if (isPressed !== undefined) this.element.setAttribute("aria-pressed", String(isPressed));
  }
}

/**
 * A choice among entries: buttons in a row, or a menu where there are many, or where there is
 * little room (the style sheet decides by `data-level` of the toolbar).
 */
export class Choice {
  #onChoose;
  #isMenu;
  #label;
  #key = "";
  /** @type {Entry[]} */
  #entries = [];

  /**
   * @param {string} name for the style sheet
   * @param {string} label
   * @param {(value: string) => void} onChoose
   * @param {boolean} [isMenu] whether it is always a menu
   */
  constructor(name, label, onChoose, isMenu = false) {
    this.#isMenu = isMenu;
    this.#onChoose = onChoose;
    this.#label = label;
    this.menu = make("select", { class: "tkd-menu", "aria-label": label, title: label });
    this.menu.addEventListener("change", () => onChoose(this.menu.value));
    this.segments = make("div", { class: "tkd-segments", role: "radiogroup", "aria-label": label });
    this.segments.addEventListener("keydown", (event) => this.#onKey(event));
    this.element = make("div", { class: `tkd-choice tkd-${name}` }, [this.segments, this.menu]);
  }

  /**
   * @param {Entry[]} entries
   * @param {string} value
   */
  update(entries, value) {
    const known = entries.some((entry) => entry.value === value);
    const all = known ? entries : [...entries, { value, text: value }];
    const key = JSON.stringify(all);
    if (key !== this.#key) {
      this.#key = key;
      this.#entries = all;
      this.#rebuild();
    }
    this.menu.value = value;
    for (const segment of this.segments.children) {
      const isChosen = /** @type {HTMLElement} */ (segment).dataset.value === value;
      segment.setAttribute("aria-checked", String(isChosen));
      segment.setAttribute("tabindex", isChosen ? "0" : "-1");
    }
  }

  #rebuild() {
    const entries = this.#entries;
    const isMenu = this.#isMenu || entries.length > MAX_SEGMENTS;
    this.element.classList.toggle("tkd-many", isMenu);
    const groups = new Map(entries.map(({ group = "" }) => [group, /** @type {Node[]} */ ([])]));
    for (const { value, text, group = "" } of entries) {
      groups.get(group)?.push(make("option", { value, text }));
    }
    this.menu.replaceChildren(
      ...[...groups].flatMap(([label, options]) =>
        label ? [make("optgroup", { label }, options)] : options,
      ),
    );
    const segments = isMenu ? [] : entries;
    this.segments.replaceChildren(
      ...segments.map(({ value, text, title }) => {
        const radio = { type: "button", role: "radio", "data-value": value };
        const segment = make("button", { ...radio, text, title: title ?? this.#label });
        segment.addEventListener("click", () => this.#onChoose(value));
        return segment;
      }),
    );
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const segments = /** @type {HTMLElement[]} */ ([...this.segments.children]);
    const at = segments.indexOf(/** @type {HTMLElement} */ (event.target));
    if (!step || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const next = segments[(at + step + segments.length) % segments.length];
    next.focus();
    this.#onChoose(next.dataset.value ?? "");
  }
}
