/**
 * Loads plotly.js: from the model that all figures of a kernel share, once in a page.
 */

/** @import { Model, Plotly } from "./types.d.ts" */

/** The page's Plotlys, by their keys: a symbol, since other copies of this module share them. */
const LOADED = Symbol.for("tickerkit.plotly");

/**
 * Return Plotly, for the model of a figure.
 *
 * @param {Model} model
 * @returns {Promise<Plotly>}
 */
export async function loadPlotly(model) {
  const id = String(model.get("_plotly")).replace("IPY_MODEL_", "");
  const shared = await model.widget_manager.get_model(id);
  const source = shared.get("source");
  const page = /** @type {Record<symbol, Map<string, Promise<Plotly>>>} */ (
    /** @type {unknown} */ (globalThis)
  );
  page[LOADED] ??= new Map();
  const loaded = page[LOADED];
  // gzip's data end with a checksum: two kernels with the same version share one Plotly.
  const key = source.slice(-16);
  if (!loaded.has(key)) {
    const plotly = evaluate(source);
    loaded.set(key, plotly);
    plotly.catch(() => loaded.delete(key));
  }
  return /** @type {Promise<Plotly>} */ (loaded.get(key));
}

/**
 * @param {string} source plotly.min.js, as base64 of gzip
 * @returns {Promise<Plotly>}
 */
async function evaluate(source) {
  const bytes = Uint8Array.from(atob(source), (character) => character.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const text = await new Response(unpacked).text();
  const before = window.Plotly;
  window.PlotlyConfig = { MathJaxConfig: "local", ...window.PlotlyConfig };
  // As a CommonJS module: with JupyterLab's own loader it would register itself there.
  const module = [
    "const module = {exports: {}}, define = undefined;",
    text,
    "export default module.exports;",
  ].join("\n");
  const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  try {
    return (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
    if (before) window.Plotly = before;
  }
}
