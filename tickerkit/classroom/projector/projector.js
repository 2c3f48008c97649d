/**
 * Projector: the panel of a tap in a window of its own, over a websocket in place of a kernel.
 *
 * In its address, `?size=24` is the size of the type in pixels, and `?theme=dark` or `light` the
 * colours, which are otherwise those of the system.
 */

import { make } from "../../runtime/page_parts/elements.js";
import makeWidget from "../panel/panel.js";

/** @import { FromKernel, FromPage } from "../panel/messages.d.ts" */

/** The size of the panel's own type in pixels. */
const OWN_SIZE = 13;
const [MIN_SIZE, MAX_SIZE] = [10, 40];
/** In a lower window, in pixels of the panel's own, the buttons are hidden at first. */
const MIN_HEIGHT = 500;
/** How long to wait between two tries to connect again. */
const RETRY_MS = 1000;
/** The close code of a server that stops. */
const GOING_AWAY = 1001;

const wishes = new URLSearchParams(location.search);
const place = /** @type {HTMLElement} */ (document.getElementById("panel"));
const lost = /** @type {HTMLElement} */ (document.getElementById("lost"));
const system = matchMedia("(prefers-color-scheme: dark)");
let size = Number(wishes.get("size")) || 16;
let theme = wishes.get("theme");

/**
 * Keep a wish in the address, so that it outlasts a reload.
 *
 * @param {string} name
 * @param {string} value
 */
function keep(name, value) {
  wishes.set(name, value);
  history.replaceState(null, "", `?${wishes}`);
}

/** @param {number} change */
function resize(change) {
  size = Math.min(Math.max(size + change, MIN_SIZE), MAX_SIZE);
  place.style.setProperty("zoom", String(size / OWN_SIZE));
  if (change) keep("size", String(size));
}

function applyTheme() {
  document.body.dataset.theme = theme ?? (system.matches ? "dark" : "light");
}

function switchTheme() {
  theme = document.body.dataset.theme === "dark" ? "light" : "dark";
  keep("theme", theme);
  applyTheme();
}

/**
 * @param {string} text
 * @param {string} title
 * @param {() => void} onClick
 */
function makeButton(text, title, onClick) {
  const button = make("button", { type: "button", text, title });
  button.setAttribute("aria-label", title);
  button.addEventListener("click", onClick);
  return button;
}

/**
 * Return a message and its buffers, as the kernel has sent them.
 *
 * @param {string | ArrayBuffer} data
 * @returns {[FromKernel, DataView[]]}
 */
function read(data) {
  if (typeof data === "string") return [JSON.parse(data), []];
  const end = new Uint8Array(data).indexOf(10);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 0, end)));
  let start = end + 1;
  const buffers = message.sizes.map((/** @type {number} */ bytes) => {
    start += bytes;
    return new DataView(data, start - bytes, bytes);
  });
  return [message, buffers];
}

const connect = () => new WebSocket(new URL("socket", location.href.replace(/^http/, "ws")));

/** Try to connect until that succeeds, then begin again from the start. */
function retry() {
  const socket = connect();
  socket.addEventListener("open", () => location.reload());
  socket.addEventListener("close", () => setTimeout(retry, RETRY_MS));
}

const socket = connect();
socket.binaryType = "arraybuffer";
socket.addEventListener("open", () => {
  const widget = makeWidget();
  const model = {
    /** @param {FromPage} message */
    send: (message) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    },
    /**
     * @param {string} _
     * @param {(message: FromKernel, buffers: DataView[]) => void} receive
     */
    on: (_, receive) => socket.addEventListener("message", ({ data }) => receive(...read(data))),
  };
  widget.initialize({ model });
  widget.render({ el: place });
  const look = make("span", { class: "tk-look" }, [
    makeButton("☰", "show or hide the buttons", () => place.classList.toggle("tk-bare")),
    makeButton("A−", "smaller type", () => resize(-2)),
    makeButton("A+", "larger type", () => resize(2)),
    makeButton("◐", "light or dark", switchTheme),
  ]);
  place.querySelector(".tk-numbers")?.before(look);
});
socket.addEventListener("close", ({ code }) => {
  const what = code === GOING_AWAY ? "The tap has stopped." : "The connection to the tap is lost.";
  lost.textContent = `${what} This page begins again when the tap is back.`;
  lost.hidden = false;
  setTimeout(retry, RETRY_MS);
});
resize(0);
place.classList.toggle("tk-bare", place.clientHeight / (size / OWN_SIZE) < MIN_HEIGHT);
applyTheme();
system.addEventListener("change", applyTheme);
