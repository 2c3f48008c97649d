/**
 * The page side of a card: renews the HTML of the outputs that show it, and reports while one is in
 * view.
 *
 * The card itself is plain HTML, which a saved notebook keeps. This model has no view: it finds the
 * outputs of its card in the page.
 */

import { KERNEL_IS_GONE, KernelLink } from "./page_parts/kernel_link.js";

/** How often the page looks for the card's outputs: a notebook removes them as it scrolls. */
const LOOK_EVERY_MS = 1_000;
/** How often the page reports; the kernel sends nothing a minute after the last report. */
const HERE_EVERY_LOOKS = 20;

/** @param {Element} element */
function isInView(element) {
  const { top, bottom, width } = element.getBoundingClientRect();
  return width > 0 && bottom > 0 && top < window.innerHeight;
}

/**
 * Dim a card, and say why: its server or feed ended with the kernel.
 *
 * @param {Element} output
 */
function markLost(output) {
  const card = output.firstElementChild;
  if (!(card instanceof HTMLElement) || output.querySelector("[data-tickerkit-lost]")) return;
  card.style.filter = "grayscale(1)";
  card.style.opacity = ".6";
  const note = document.createElement("div");
  note.dataset.tickerkitLost = "";
  note.textContent = KERNEL_IS_GONE;
  output.append(note);
}

/**
 * @param {{model: import("../chart/figure/types.d.ts").Model}} widget
 */
function initialize({ model }) {
  const page = Math.random().toString(36).slice(2);
  const selector = `[data-tickerkit-card="${model.get("card")}"]`;
  /** @type {WeakMap<Element, string>} what each output shows, of that which was received */
  const shown = new WeakMap();
  let html = "";
  let isHere = false;
  let looks = 0;
  const kernel = new KernelLink(model, look);

  function look() {
    const outputs = [...document.querySelectorAll(selector)];
    for (const output of outputs) {
      if (kernel.isLost) {
        markLost(output);
      } else if (html && shown.get(output) !== html) {
        // The kernel has escaped all texts in it.
        const parsed = new DOMParser().parseFromString(html, "text/html");
        output.replaceChildren(...parsed.body.childNodes);
        shown.set(output, html);
      }
    }
    const wasHere = isHere;
    isHere = document.visibilityState === "visible" && outputs.some(isInView);
    if (isHere ? !wasHere || looks % HERE_EVERY_LOOKS === 0 : wasHere) {
      kernel.send({ kind: isHere ? "here" : "away", page });
    }
    looks += 1;
  }

  /** @param {{kind: string, html: string}} message */
  function receive(message) {
    if (message.kind === "card") {
      html = message.html;
      look();
    }
  }

  model.on("msg:custom", receive);
  document.addEventListener("visibilitychange", look);
  const timer = setInterval(look, LOOK_EVERY_MS);
  look();
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
    model.off("msg:custom", receive);
    kernel.stop();
  };
}

export default { initialize };
