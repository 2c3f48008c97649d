/**
 * The student's page: joins the class, and shows prices, the own seat, tasks and starter programs.
 */

import { make, setText } from "../../../runtime/page_parts/elements.js";
import { PriceList } from "./price_list.js";
import { makeSeatAddress, SeatSocket } from "./seat_socket.js";
import { StarterTabs } from "./starter_tabs.js";
import { addQuestion, countPassed, describePassed, makeItems } from "./task_list.js";
import { cleanName, describeForSpeech, describeStatus, describeTitle } from "./words.js";

/** @import { ClassMessage, Facts, NoteMessage, SeatMessage } from "./messages.d.ts" */

const MAX_NOTES = 20;

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @type {Facts} */
const facts = JSON.parse(find("facts").textContent ?? "{}");
const template = /** @type {HTMLTemplateElement} */ (find("row-template"));
const prices = new PriceList(find("prices"), template);
const nameBox = /** @type {HTMLInputElement} */ (find("name"));

/** The seat that the server has reported last. @type {SeatMessage | null} */
let seat = null;
let name = "";

// ---- the seat, which a refresh keeps

/** The names and keys of the class's seats in this browser. A new name is a new seat.
 *  @type {{name: string, keys: Record<string, string>}} */
let kept = { name: "", keys: {} };
const STORED = `tickerkit class ${facts.code}`;

function readStored() {
  try {
    kept = { ...kept, ...JSON.parse(localStorage.getItem(STORED) ?? "{}") };
  } catch {
    // Storage is off, or has something else: the seat lasts until the page is closed.
  }
}

/** @param {string} key of the seat with the name */
function store(key) {
  kept = { name, keys: { ...kept.keys, [name]: key } };
  try {
    localStorage.setItem(STORED, JSON.stringify(kept));
  } catch {
    // As above.
  }
}

/** Return a key that nobody guesses; `crypto.randomUUID` is missing on http addresses. */
function makeKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} chosen */
function join(chosen) {
  name = chosen;
  seat = null;
  // A student may call himself "constructor", which every object has.
  const key = Object.hasOwn(kept.keys, name) ? kept.keys[name] : makeKey();
  store(key);
  tabs?.rename(name);
  showForm(false);
  find("market").hidden = find("state").hidden = false;
  find("programs").hidden = facts.starters.length === 0;
  socket.open(makeSeatAddress(location, { code: facts.code, name, key }));
}

/** @param {boolean} isShown */
function showForm(isShown) {
  find("join").hidden = !isShown;
  find("own").hidden = isShown;
  find("name-cancel").hidden = !name;
  if (isShown) nameBox.value = name;
}

find("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const chosen = cleanName(nameBox.value);
  if (!chosen) nameBox.value = "";
  else if (chosen === name) showForm(false);
  else join(chosen);
});
find("name-cancel").addEventListener("click", () => showForm(false));
find("rename").addEventListener("click", () => {
  showForm(true);
  nameBox.select();
});
find("retry").addEventListener("click", () => socket.retry());

// ---- what comes

const socket = new SeatSocket({ onTicks, onMessage, onState });

/** @param {Record<string, unknown>[]} ticks */
function onTicks(ticks) {
  prices.take(ticks);
  find("empty").hidden = true;
}

/** @param {ClassMessage} message */
function onMessage(message) {
  switch (message.type) {
    case "seat":
      return onSeat(message);
    case "note":
      return onNote(message);
    case "ask":
      find("questions").hidden = false;
      return addQuestion(find("question-list"), message);
    case "error":
      return onNote({ type: "note", text: `${message.message} ${message.hint}`.trim() });
    // Any other type comes from a server that is newer than this page, and is ignored.
  }
}

/** @param {SeatMessage} message */
function onSeat(message) {
  const before = seat;
  seat = message;
  if (message.name !== name) {
    const key = kept.keys[name];
    name = message.name;
    store(key);
    tabs?.rename(name);
  }
  const { tasks } = message;
  find("tasks").hidden = tasks.length === 0;
  if (JSON.stringify(before?.tasks) !== JSON.stringify(tasks)) {
    find("task-list").replaceChildren(...makeItems(tasks, facts.tasks));
    setText(find("task-count"), `${countPassed(tasks)} of ${tasks.length} passed`);
    if (before) speak(describePassed(before.tasks, tasks));
  }
  onState();
}

// ---- notes

/** @param {NoteMessage} note */
function onNote({ text, from }) {
  const earlier = find("note-text").textContent;
  if (earlier) {
    find("notes").prepend(make("li", { text: earlier }));
    while (find("notes").children.length > MAX_NOTES) find("notes").lastElementChild?.remove();
    find("earlier").hidden = false;
  }
  setText(find("note-text"), from ? `${from}: ${text}` : text);
}

find("note-close").addEventListener("click", () => {
  const text = find("note-text").textContent;
  setText(find("note-text"), "");
  find("notes").prepend(make("li", { text: text ?? "" }));
  find("earlier").hidden = false;
});

// ---- the state

let spoken = "";

/** Have a screen reader say a text. @param {string} text */
function speak(text) {
  if (text) setText(find("spoken"), text);
}

function onState() {
  const { state, waitS, silentS, failures, reason } = socket;
  if (!name) return;
  const status = describeStatus({ state, waitS, silentS, failures, reason, seat });
  const word = { removed: "closed" }[/** @type {string} */ (state)] ?? state;
  setText(find("state-word"), state === "connecting" ? "connecting…" : word);
  find("state").dataset.state = document.body.dataset.state = state;
  setText(find("own-name"), name);
  setText(find("own-text"), status);
  find("own").dataset.wire = seat?.wire ?? "";
  find("retry").hidden = state !== "removed" && !(state === "refused" && waitS);
  const sentence = `${name}: ${describeForSpeech(status)}`;
  if (sentence !== spoken) speak(sentence);
  spoken = sentence;
}

function showTitle() {
  const { title } = facts;
  document.title = describeTitle({ state: socket.state, name, title, price: prices.headline });
}

// ---- start

/** @type {HTMLImageElement} */ (find("icon")).src = /** @type {HTMLLinkElement} */ (
  find("icon-link")
).href;
setText(find("class-title"), facts.title);
setText(find("address"), location.host);
const own = { host: location.hostname, name };
const tabs = facts.starters.length ? new StarterTabs(facts, find, own) : null;
setInterval(showTitle, 1000);
showTitle();
readStored();
if (kept.name) join(kept.name);
else nameBox.focus();
