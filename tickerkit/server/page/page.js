/**
 * The page: passes ticks from the feed to the board, and the connection's state to the header.
 */

import { Board } from "./board.js";
import { Feed, makeSocketAddress } from "./feed.js";

/** @import { StateName, Tick } from "./feed.js" */

/** With more symbols than this, the page shows a box to filter them. */
const MANY_SYMBOLS = 12;

/** The rate is the average over this many seconds. */
const RATE_OVER_S = 10;

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const template = /** @type {HTMLTemplateElement} */ (find("row-template"));
const board = new Board(find("prices"), template);

// ---- ticks

let tickCount = 0; // all ticks received, history included
let newTickCount = 0; // ticks that happened since the page connected; the rate counts only these

/** @param {Tick} tick */
function onTick(tick) {
  tickCount += 1;
  if (tickCount === 1) {
    requestAnimationFrame(showCounts); // at once: the first prices are shown now, too
  }
  newTickCount += tick.isNew ? 1 : 0;
  if (tick.symbol !== undefined) {
    board.add(tick.symbol, tick);
  }
}

// ---- the connection's state

/**
 * @param {StateName} name
 * @param {number} wait in seconds
 */
function onState(name, wait) {
  const isTrying = name === "connecting" || (name === "reconnecting" && !wait);
  const again = { reconnecting: " in ", refused: "; again in " }[/** @type {string} */ (name)];
  setText("state-word", isTrying ? `${name}…` : name);
  setText("state-wait", again && wait ? `${again}${wait} s` : "");
  find("state").dataset.state = name;
  document.body.dataset.state = name;
}

// ---- notes: gaps, errors, refusals

let noteTimer = 0;

/**
 * @param {string} text
 * @param {number} [forMs] for how long it is shown
 */
function onNote(text, forMs) {
  clearTimeout(noteTimer);
  setText("note-text", text);
  if (forMs !== undefined) {
    noteTimer = setTimeout(() => setText("note-text", ""), forMs);
  }
}

find("note-close").addEventListener("click", () => onNote(""));

// ---- what the server's owner and other clients say

/** How many texts are shown; the oldest one goes. */
const MAX_SAID = 5;

/** @param {{text: string, from?: string}} note without `from` it is the owner's */
function onSaid({ text, from }) {
  const line = document.createElement("p");
  if (from === undefined) {
    line.className = "owner";
  } else {
    const name = document.createElement("b");
    name.textContent = from || "somebody";
    line.append(name, ": ");
  }
  line.append(text);
  const lines = find("said-lines");
  lines.append(line);
  while (lines.childElementCount > MAX_SAID) {
    lines.firstElementChild?.remove();
  }
}

find("said-close").addEventListener("click", () => find("said-lines").replaceChildren());

find("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const box = /** @type {HTMLInputElement} */ (find("say-text"));
  if (box.value.trim() && feed.say(box.value)) {
    box.value = "";
  }
});

// ---- the counts, updated once a second: faster changes could not be read

/** Seconds and `newTickCount`, the oldest first. @type {[number, number][]} */
const samples = [];

function showCounts() {
  const now = performance.now() / 1000;
  samples.push([now, newTickCount]);
  while (now - samples[0][0] > RATE_OVER_S) {
    samples.shift();
  }
  const [since, before] = samples[0];
  const rate = now > since ? (newTickCount - before) / (now - since) : 0;
  setText("ticks", `${tickCount.toLocaleString("en-US")} ${tickCount === 1 ? "tick" : "ticks"}`);
  setText("rate", `${formatRate(rate)}/s`);
  find("empty").hidden = board.size > 0 || tickCount > 0;
  find("filter-box").hidden = board.size <= MANY_SYMBOLS;
}

/** @param {number} rate */
function formatRate(rate) {
  return rate > 0 && rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en-US");
}

// ---- the filter

const filter = /** @type {HTMLInputElement} */ (find("filter"));
filter.addEventListener("input", () => board.filter(filter.value));

/**
 * Set an element's text if it changes: a screen reader reads a text again that is set again.
 *
 * @param {string} id
 * @param {string} text
 */
function setText(id, text) {
  const element = find(id);
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

// ---- start

const address = makeSocketAddress(location);
setText("address", address.split("?")[0]); // without the token: people share their screens
setInterval(showCounts, 1000);
const feed = new Feed(address, {
  onTick,
  onState,
  onNote,
  onUnits: (units) => board.setUnits(units),
  onSymbols: (symbols) => board.expect(symbols),
  onRestart: () => board.restart(),
  onSaid,
  onNotes: () => {
    find("say").hidden = false;
  },
});
feed.start();
