/** theme: whether the page is dark, and the colours that a figure takes from it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { applyTheme, isDark, readPageColor } from "../../../tickerkit/chart/figure/theme.js";

/** Stand in for a page with this background, these data of its body, and JupyterLab's colour. */
function stand(backgroundColor, dataset = {}, own = "") {
  globalThis.document = { body: { dataset } };
  globalThis.getComputedStyle = () => ({ backgroundColor, getPropertyValue: () => own });
}

test("a computed colour is read in both notations of sRGB", () => {
  assert.deepEqual(readPageColor("rgb(17, 18, 19)"), [17, 18, 19]);
  assert.deepEqual(readPageColor("color(srgb 1 0.2 0 / 0.9)"), [255, 51, 0]);
  for (const unknown of ["rgba(0, 0, 0, 0)", "oklch(0.2 0 0)", "color(srgb 1 1 1 / 0.1)", ""]) {
    assert.equal(readPageColor(unknown), null);
  }
});

test("a page is dark by what it declares, otherwise by its background", () => {
  for (const [background, dataset, expected] of [
    ["color(srgb 1 1 1)", {}, false],
    ["color(srgb 0.1 0.1 0.1)", {}, true],
    ["rgb(255, 255, 255)", { theme: "dark" }, true],
    ["rgb(0, 0, 0)", { jpThemeLight: "true", theme: "dark" }, false],
    ["rgba(0, 0, 0, 0)", {}, false],
    ["rgb(0, 0, 0)", { theme: "blue" }, true],
  ]) {
    stand(background, dataset);
    assert.equal(isDark(), expected, background);
  }
});

test("a figure has the background of the page, in a notation that Plotly reads", () => {
  stand("color(srgb 0.1 0.1 0.1)");
  assert.equal(applyTheme({}, "auto", true).layout.paper_bgcolor, "rgb(26,26,26)");
  stand("rgba(0, 0, 0, 0)");
  assert.equal(applyTheme({}, "auto", true).layout.paper_bgcolor, "#111");
  stand("rgb(0, 0, 0)", {}, " #123 ");
  assert.equal(applyTheme({}, "auto", true).layout.paper_bgcolor, "#123");
  assert.equal(applyTheme({}, "light", true).layout.paper_bgcolor, "#fff");
});
