/**
 * Joining: how the class gets in: the address in large letters, QR codes, and what may be wrong.
 */

import { make, setText } from "../../../runtime/page_parts/elements.js";

/** @import { ClassFacts, ClassState } from "./messages.d.ts" */

/** How many addresses of other machines are listed. */
const MAX_REACHED = 3;

/**
 * Return a QR code as a picture.
 *
 * @param {string} svg
 * @param {string} caption
 */
function makeCode(svg, caption) {
  // What is inline in HTML needs no namespace, but a picture does.
  const picturable = svg.replace(/^<svg (?!xmlns)/, '<svg xmlns="http://www.w3.org/2000/svg" ');
  const source = `data:image/svg+xml,${encodeURIComponent(picturable)}`;
  const picture = make("img", { src: source, alt: "" });
  return make("figure", {}, [picture, make("figcaption", { text: caption })]);
}

export class Joining {
  constructor() {
    this.codes = make("div", { class: "tb-codes" });
    this.address = make("p", { class: "tb-address" });
    this.proof = make("p", { class: "tb-proof", role: "status" });
    this.traps = make("ul");
    this.hurdles = make("div", { class: "tb-traps", hidden: "" }, [
      make("p", { text: "Nobody has come from another machine yet. What may be in the way:" }),
      this.traps,
    ]);
    this.others = make("ul");
    this.more = make("details", { hidden: "" }, [
      make("summary", { text: "other addresses" }),
      this.others,
    ]);
    const texts = [this.address, this.proof, this.hurdles, this.more];
    this.element = make("section", { class: "tb-joining" }, [
      this.codes,
      make("div", { class: "tb-texts" }, texts),
    ]);
    this.element.setAttribute("aria-label", "How to join");
  }

  /** @param {ClassFacts} facts */
  setFacts({ page, others, qr, wifi_qr, ssid, traps }) {
    const codes = /** @type {[string, string][]} */ ([]);
    if (wifi_qr) codes.push([wifi_qr, `join the wifi ${ssid}`]);
    if (qr) codes.push([qr, "open this"]);
    const count = codes.length;
    this.codes.replaceChildren(
      ...codes.map(([svg, text], at) => makeCode(svg, count > 1 ? `${at + 1} ${text}` : text)),
    );
    const [scheme, rest = ""] = page.split("//");
    // A long address breaks before its path.
    const parts = rest.split(/(?=\/)/).flatMap((part) => [part, make("wbr")]);
    this.address.replaceChildren(make("small", { text: `${scheme}//` }), ...parts);
    this.others.replaceChildren(
      ...others.map(([address, why]) =>
        make("li", {}, [make("code", { text: address }), why ? ` ${why}` : ""]),
      ),
    );
    this.more.hidden = others.length === 0;
    this.traps.replaceChildren(
      ...traps.map(([name, about, fix, isCommand]) =>
        make("li", {}, [
          make("b", { text: name }),
          `: ${about}. Fix: `,
          make(isCommand ? "code" : "span", { text: fix }),
        ]),
      ),
    );
  }

  /** @param {ClassState} state */
  draw({ reached, is_unreached }) {
    const newest = reached.slice(0, MAX_REACHED).join(", ");
    const more = reached.length > MAX_REACHED ? " and others" : "";
    const waiting = "waiting for the first phone or laptop…";
    setText(this.proof, newest ? `✓ reached from ${newest}${more}` : waiting);
    this.proof.classList.toggle("tb-good", newest !== "");
    this.hurdles.hidden = !is_unreached;
  }
}
