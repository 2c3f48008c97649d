/**
 * The page: what the feed hears goes to the board; how things stand goes to the header.
 */

import { Board } from "./board.js";
import { Feed, socketAddress } from "./feed.js";

/** With more symbols than this, a box to filter them is of use. */
const MANY_SYMBOLS = 12;

/** The rate is an average over the last so many seconds. */
const RATE_OVER = 10;

const find = (id) => document.getElementById(id);
const board = new Board(find("prices"), find("row-template"));

// ---- ticks

let tickCount = 0; // all that came, history included
let newTickCount = 0; // those that happened while we watched: they make the rate

function onTick(tick) {
  tickCount += 1;
  if (tickCount === 1) {
    requestAnimationFrame(showCounts); // not only in a second: the first prices are there now
  }
  newTickCount += tick.isNew ? 1 : 0;
  if (tick.symbol !== undefined) {
    board.take(tick);
  }
}

// ---- the connection's state

function onState(name, wait) {
  const again = { reconnecting: " in ", refused: "; again in " }[name];
  setText("state-word", name === "connecting" || (name === "reconnecting" && !wait) ? `${name}…` : name);
  setText("state-wait", again && wait ? `${again}${wait} s` : "");
  find("state").dataset.state = name;
  document.body.dataset.state = name;
}

// ---- notes: gaps, errors, refusals

function onNote(text) {
  setText("note-text", text);
}

find("note-close").addEventListener("click", () => onNote(""));

// ---- the counts, once a second: faster, nobody could read them

const samples = []; // [seconds, newTickCount], the oldest first

function showCounts() {
  const now = performance.now() / 1000;
  samples.push([now, newTickCount]);
  while (now - samples[0][0] > RATE_OVER) {
    samples.shift();
  }
  const [since, before] = samples[0];
  const rate = now > since ? (newTickCount - before) / (now - since) : 0;
  setText("ticks", `${tickCount.toLocaleString("en-US")} ${tickCount === 1 ? "tick" : "ticks"}`);
  setText("rate", `${rate > 0 && rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en-US")}/s`);
  find("empty").hidden = board.size > 0 || tickCount > 0;
  find("filter-box").hidden = board.size <= MANY_SYMBOLS;
}

// ---- the filter

find("filter").addEventListener("input", (event) => board.filter(event.target.value));

/** Set an element's text, but only if it is another: setting it anew would have it read out anew. */
function setText(id, text) {
  const element = find(id);
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

// ---- off we go

const address = socketAddress(location);
setText("address", address.split("?")[0]); // without the token: people share screens
setInterval(showCounts, 1000);
const feed = new Feed(address, {
  onTick,
  onState,
  onNote,
  onSymbols: (symbols) => board.expect(symbols),
  onRestart: () => board.restart(),
});
feed.start();
