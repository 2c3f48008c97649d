/**
 * The page side of a card: shows the HTML that the kernel sends, and reports while it is in view.
 */

/** How often the page reports; the kernel sends nothing a minute after the last report. */
const HERE_EVERY_MS = 20_000;

/**
 * @param {{model: import("../chart/figure/types.d.ts").Model, el: HTMLElement}} view
 */
function render({ model, el }) {
  const page = Math.random().toString(36).slice(2);
  const card = document.createElement("div");
  let isInView = false;
  let isHere = false;

  /** @param {string} html escaped by the kernel */
  function show(html) {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    card.replaceChildren(...parsed.body.childNodes);
  }

  function report() {
    const wasHere = isHere;
    isHere = isInView && document.visibilityState === "visible";
    if (isHere || wasHere) {
      model.send({ kind: isHere ? "here" : "away", page });
    }
  }

  /** @param {{kind: string, html: string}} message */
  function receive(message) {
    if (message.kind === "card") {
      show(message.html);
    }
  }

  show(model.get("html"));
  el.append(card);
  model.on("msg:custom", receive);
  const observer = new IntersectionObserver((entries) => {
    isInView = entries.some((entry) => entry.isIntersecting);
    report();
  });
  observer.observe(card);
  document.addEventListener("visibilitychange", report);
  const timer = setInterval(report, HERE_EVERY_MS);
  return () => {
    clearInterval(timer);
    observer.disconnect();
    document.removeEventListener("visibilitychange", report);
    model.off("msg:custom", receive);
    isInView = false;
    report();
  };
}

export default { render };
