/**
 * Desk view: one place in a page where a dashboard is shown.
 */

import { isDark } from "../figure/theme.js";
import { make, setText } from "../../runtime/page_parts/elements.js";
import { keepKeys } from "../../runtime/page_parts/keys.js";
import { Choice, IconButton } from "./controls.js";
import { DeskToolbar } from "./desk_toolbar.js";
import { FeedsBar } from "./feeds_bar.js";
import { fitBar } from "./fit.js";
import { Headline } from "./headline.js";
import { Ribbon } from "./ribbon.js";
import { Slot } from "./slot.js";
import { Watchlist } from "./watchlist.js";

/** @import { Desk } from "./desk.js" */
/** @import { DeskChoices, DeskEvent } from "./messages.d.ts" */
/** @import { DeskColors } from "./spark.js" */

/** From this width on, the watchlist is beside the chart. */
const BESIDE_PX = 900;
/** From this width on, the events have a column of their own. */
const COLUMNS_PX = 1700;
/** The share of the width that the watchlist takes at most, beside the chart. */
const MAX_SHARE = 0.47;
const MAX_WIDE_SHARE = 0.38;
const MAX_LIST_PX = 1000;
const TICK_MS = 1000;
const FOOT_LEVELS = 4;
const EXTENTS = [
  { value: "visible", text: "visible window" },
  { value: "all", text: "all ticks held" },
];

export class DeskView {
  #desk;
  #slots;
  #frame = 0; // the pending animation frame, 0 without one
  #isInView = true;
  #width = 0;
  #hasRoomChanged = true;
  #timer;
  /** @type {(() => void)[]} */
  #stops;

  /**
   * @param {Desk} desk
   * @param {HTMLElement} el
   */
  constructor(desk, el) {
    this.#desk = desk;
    const choose = (/** @type {Partial<DeskChoices>} */ choices) => desk.choose(choices);
    this.headline = new Headline(() => choose({ symbol: null }));
    this.feeds = new FeedsBar();
    this.toolbar = new DeskToolbar(choose);
    this.watchlist = new Watchlist(desk.rows, choose);
    this.ribbon = new Ribbon(({ feed, symbol }) => choose({ feed, symbol }));
    this.ribbon.allow.addEventListener("click", async () => {
      await desk.notifier.ask();
      this.#drawPermission();
    });
    this.record = new IconButton("record", "Record", "record all ticks from now on", () => {
      const isOn = this.record.element.getAttribute("aria-pressed") !== "true";
      desk.send({ kind: "record", is_on: isOn });
    });
    this.record.element.classList.add("tkd-record");
    this.recorded = make("span", { class: "tkd-recorded", role: "status" });
    this.extent = new Choice("extent", "which ticks the download has", (extent) =>
      choose({ extent: /** @type {DeskChoices["extent"]} */ (extent) }),
    );
    const chart = make("div", { class: "tkd-chart" });
    const download = make("div", { class: "tkd-download" });
    this.#slots = { figure: new Slot(chart), download: new Slot(download) };
    this.chart = chart;
    this.top = make("div", { class: "tkd-bar tkd-head" }, [
      this.headline.element,
      this.feeds.element,
    ]);
    this.foot = make("div", { class: "tkd-bar tkd-foot" }, [
      this.record.element,
      this.recorded,
      make("span", { class: "tkd-space-between" }),
      make("span", { class: "tkd-keys", text: "/ filter   ↑ ↓ Enter symbol   p pause" }),
      this.extent.element,
      download,
    ]);
    this.element = make("div", { class: "tkd", role: "region", "aria-label": "dashboard" }, [
      make("div", { class: "tkd-body" }, [
        this.top,
        this.toolbar.element,
        this.feeds.banner,
        make("div", { class: "tkd-main" }, [chart, this.watchlist.element]),
        this.ribbon.element,
        this.foot,
      ]),
    ]);
    keepKeys(this.element);
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    el.append(this.element);
    this.#stops = [
      observe(new ResizeObserver(() => this.#onResize()), this.element),
      observe(new IntersectionObserver((entries) => this.#onScroll(entries)), this.element),
      observe(new MutationObserver(() => this.#applyTheme()), document.body, { attributes: true }),
    ];
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#applyTheme();
    this.ribbon.fill(desk.events);
    this.update();
    this.fillSlots();
    if (desk.status) this.showStatus();
  }

  remove() {
    clearInterval(this.#timer);
    cancelAnimationFrame(this.#frame);
    for (const stop of this.#stops) stop();
    for (const slot of Object.values(this.#slots)) slot.remove();
    document.removeEventListener("pointerdown", this.toolbar.indicators.onPointer);
    this.element.remove();
  }

  fillSlots() {
    const { manager, figure, download } = this.#desk;
    this.#slots.figure.show(manager, figure);
    this.#slots.download.show(manager, download);
  }

  /** Show choices and menus. */
  update() {
    const { menu, choices } = this.#desk;
    const { shown } = choices;
    this.toolbar.update(shown, menu);
    this.extent.update(EXTENTS, shown.extent);
    this.ribbon.setZone(menu.zone);
    this.watchlist.update(shown, menu);
    this.chart.style.minHeight = `${menu.height}px`;
    this.element.setAttribute("aria-label", `dashboard of ${menu.feeds.join(" and ")}`);
    this.#hasRoomChanged = true;
    this.#request();
  }

  /** Show new numbers. @param {boolean} isOther whether there are other rows, too */
  showRows(isOther) {
    if (isOther) {
      this.watchlist.invalidate();
      this.watchlist.update(this.#desk.choices.shown, this.#desk.menu);
      this.#hasRoomChanged = true;
    }
    this.#request();
  }

  showStatus() {
    const { status } = this.#desk;
    if (!status) return;
    this.feeds.update(status, this.#desk.isSilent);
    const { is_on, text, error } = status.record;
    this.record.update(is_on ? "stop" : "record", is_on ? "Stop recording" : "Record", is_on);
    const recorded = error || text;
    if (this.recorded.textContent?.length !== recorded.length) this.#hasRoomChanged = true;
    setText(this.recorded, recorded);
    this.recorded.title = recorded;
    this.recorded.classList.toggle("tkd-wrong", Boolean(error));
    const [feed] = status.feeds;
    const waits = feed && (feed.status === "live" || feed.status === "connecting");
    this.watchlist.explain(waits ? "Waiting for the first tick." : "No ticks have come.");
    this.watchlist.invalidate();
    this.#request();
  }

  /**
   * @param {DeskEvent[]} events
   * @param {boolean} isPast
   */
  showEvents(events, isPast) {
    this.ribbon.add(events, isPast);
    const said = isPast ? undefined : events.findLast(({ type }) => type === "message");
    if (said) this.toolbar.indicators.explain(said.text);
    this.#drawPermission();
  }

  #drawPermission() {
    const { notifier, events } = this.#desk;
    const isWanted = events.some(({ notify }) => notify);
    this.ribbon.allow.hidden = !isWanted || notifier.permission !== "default";
  }

  #tick() {
    this.#desk.check();
    this.#readColors(); // a theme's style may come after its name
    this.#drawBanner();
    this.#request();
  }

  #drawBanner() {
    this.feeds.drawBanner(performance.now() - this.#desk.heardAt, this.#desk);
  }

  #request() {
    if (!this.#isInView) return;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { choices, menu, rows } = this.#desk;
    this.headline.draw(choices.shown, menu, rows);
    this.#drawBanner();
    if (this.#hasRoomChanged) this.#fit();
    if (this.watchlist.draw()) {
      this.#hasRoomChanged = true;
      this.#request();
    }
    this.feeds.fit();
  }

  #fit() {
    const width = this.element.clientWidth;
    if (!width) return; // the page hides it
    this.#hasRoomChanged = false;
    this.#readColors(); // the element was not in the page when it was made
    this.toolbar.fit();
    this.feeds.fit(true);
    fitBar(this.foot, FOOT_LEVELS);
    const isBeside = width >= BESIDE_PX;
    this.element.classList.toggle("tkd-beside", isBeside);
    const isWide = width >= COLUMNS_PX;
    this.element.classList.toggle("tkd-wide", isWide);
    const most = Math.min((isWide ? MAX_WIDE_SHARE : MAX_SHARE) * width, MAX_LIST_PX);
    const used = this.watchlist.fit(isBeside ? most : width - 2);
    this.element.style.setProperty("--tkd-list", `${Math.round(used)}px`);
  }

  #onResize() {
    const { clientWidth } = this.element;
    if (clientWidth === this.#width) return;
    this.#width = clientWidth;
    this.#hasRoomChanged = true;
    this.#request();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #onScroll(entries) {
    this.#isInView = Boolean(entries[entries.length - 1]?.isIntersecting);
    this.#request();
  }

  #applyTheme() {
    this.element.classList.toggle("tkd-dark", isDark());
    this.#readColors();
    this.#request();
  }

  #readColors() {
    const style = getComputedStyle(this.element);
    const read = (/** @type {string} */ name) => style.getPropertyValue(`--tkd-${name}`).trim();
    /** @type {DeskColors} */
    const colors = {
      rise: read("rise"),
      fall: read("fall"),
      flat: read("flat"),
      base: read("base"),
      riseTint: read("rise-tint"),
      fallTint: read("fall-tint"),
    };
    this.watchlist.setColors(colors);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { tagName } = /** @type {HTMLElement} */ (event.target);
    const { filter, grid } = this.watchlist;
    if (event.key === "Escape" && event.target === filter && filter.value) {
      filter.value = "";
      this.#desk.choose({ filter: "" });
    } else if ((event.key === "Escape" || event.key === "Enter") && event.target === filter) {
      grid.focus();
    } else if (tagName === "INPUT" || tagName === "SELECT") {
      return;
    } else if (event.key === "/") {
      filter.focus();
      filter.select();
    } else if (event.key === "p") {
      this.toolbar.togglePause();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

/**
 * Observe an element; return what ends that.
 *
 * @param {ResizeObserver | IntersectionObserver | MutationObserver} observer
 * @param {Element} element
 * @param {object} [options]
 */
function observe(observer, element, options) {
  /** @type {MutationObserver} */ (observer).observe(element, options);
  return () => observer.disconnect();
}
