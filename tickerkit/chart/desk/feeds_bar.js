/**
 * Feeds bar: the state of each feed in a few words, and what is wrong with it in a banner.
 */

import { make, setText } from "../../runtime/page_parts/elements.js";
import { KERNEL_IS_GONE } from "../../runtime/page_parts/kernel_link.js";
import { fitBar } from "./fit.js";
import { formatAge, formatLag, formatPerSecond, levelOf, shapeOf } from "./written_values.js";

/** @import { FeedState, StatusMessage } from "./messages.d.ts" */

const CHIP_LEVELS = 6;
/** How long the first message may take. */
const FIRST_S = 10;
/** Endings that are no trouble. */
const CALM = ["live", "ended", "stopped"];

/** @type {Record<string, string>} */
const SHAPE_NAMES = { connecting: "quiet", reconnecting: "quiet", failed: "refused" };

/** @param {number} count @param {string} noun */
const countOf = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

export class FeedsBar {
  /** @type {StatusMessage | null} */
  #status = null;
  #shape = "";

  constructor() {
    this.element = make("div", { class: "tkd-feeds", role: "group", "aria-label": "feeds" });
    this.banner = make("div", { class: "tkd-banner", role: "alert" });
    this.banner.hidden = true;
  }

  get names() {
    return this.#status?.feeds.map(({ name }) => name) ?? [];
  }

  /**
   * @param {StatusMessage} status
   * @param {boolean} isSilent whether the kernel is: then what it said last may hold no more
   */
  update(status, isSilent) {
    this.#status = status;
    const { children } = this.element;
    this.element.classList.toggle("tkd-several", status.feeds.length > 1);
    while (children.length > status.feeds.length) children[children.length - 1].remove();
    while (children.length < status.feeds.length) this.element.append(makeChip());
    status.feeds.forEach((feed, at) => {
      const known = isSilent && feed.status !== "stopped" ? { ...feed, status: "unknown" } : feed;
      drawChip(/** @type {HTMLElement} */ (children[at]), known);
    });
  }

  /** Fit the bar again if its texts are longer or shorter, not with each digit. @param {boolean}
   *  [isResized] */
  fit(isResized = false) {
    const shape = (this.element.textContent ?? "").replaceAll(/\d/g, "0");
    if (!isResized && shape === this.#shape) return;
    this.#shape = shape;
    fitBar(this.element, CHIP_LEVELS);
  }

  /**
   * Say what is wrong, if anything is.
   *
   * @param {number} silent_ms how long ago the newest message came
   * @param {{isLost: boolean, isSilent: boolean}} kernel
   */
  drawBanner(silent_ms, { isLost, isSilent }) {
    const status = this.#status;
    const silent_s = silent_ms / 1000;
    let text = "";
    let level = "waiting";
    if (isLost) {
      text = `${KERNEL_IS_GONE[0].toUpperCase()}${KERNEL_IS_GONE.slice(1)}.`;
    } else if (!status && silent_s > FIRST_S) {
      text = "Nothing heard from the kernel: it is busy, or was restarted. Run the cell again.";
    } else if (isSilent) {
      const age = formatAge(Math.round(silent_s));
      text = `Nothing heard from the kernel for ${age}: it is busy, or was restarted.`;
    } else {
      const troubled = status?.feeds.filter((feed) => !CALM.includes(feed.status)) ?? [];
      const sentences = troubled.map((feed) =>
        describeTrouble(feed, (status?.feeds.length ?? 1) > 1),
      );
      if (troubled.some((feed) => feed.status === "failed")) level = "bad";
      const notes = status?.feeds.flatMap(({ note, error }) => [note, error]).filter(Boolean) ?? [];
      text = (sentences.length ? sentences : notes).join(" ");
      if (!sentences.length) level = "note";
    }
    if (this.banner.textContent === text) return;
    this.banner.textContent = text;
    this.banner.dataset.level = level;
    this.banner.hidden = !text;
  }
}

/**
 * @param {FeedState} feed
 * @param {boolean} isOneOfSeveral
 */
function describeTrouble({ name, url, status, reason, ticks }, isOneOfSeveral) {
  const who = isOneOfSeveral ? name : url || name;
  const why = reason ? `: ${reason.replace(/\.$/, "")}` : "";
  const held = ticks && status !== "connecting" ? " What is shown is what came before." : "";
  if (status === "failed") return `${who} has failed${why}.${held}`;
  const verb = status === "connecting" ? "Connecting" : "Connecting again";
  return `${verb} to ${who}${why}.${held}`;
}

function makeChip() {
  const part = (/** @type {string} */ name) => make("span", { class: `tkd-${name}` });
  return make("span", { class: "tkd-chip" }, [
    make("span", { class: "tkd-shape", "aria-hidden": "true" }),
    ...["word", "name", "symbols", "ticks", "per-second", "lag", "holes"].map(part),
  ]);
}

/**
 * @param {HTMLElement} chip
 * @param {FeedState} feed
 */
function drawChip(chip, feed) {
  const { name, url, status, ticks, rate, symbols, gaps, lag_ms } = feed;
  const texts = [
    shapeOf(SHAPE_NAMES[status] ?? (status === "live" ? "live" : "mute")),
    status,
    name,
    countOf(symbols, "symbol"),
    countOf(ticks, "tick"),
    formatPerSecond(rate),
    lag_ms === null ? "" : `lag ${formatLag(lag_ms)}`,
    gaps ? countOf(gaps, "gap") : "",
  ];
  texts.forEach((text, at) => {
    setText(/** @type {HTMLElement} */ (chip.children[at]), text);
  });
  const [, ...words] = texts;
  const title = [...words, url === name ? "" : url, feed.reason, feed.note, feed.error];
  chip.title = title.filter(Boolean).join(" · ");
  chip.dataset.level = levelOf(status);
}
