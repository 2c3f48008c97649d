/**
 * Plotly loader: loads plotly.js, once per page. It comes in the model that all figures of a kernel
 * share, or with this module as PLOTLY_SOURCE.
 */

/** @import { Model, Plotly } from "./types.d.ts" */

/** The property of the page that holds each loaded plotly.js by its key. It is a symbol, because
 *  every figure has its own copy of this module, and all copies share the property. */
const LOADED = Symbol.for("tickerkit.plotly");

/**
 * Return Plotly, for the model of a figure.
 *
 * @param {Model} model
 * @returns {Promise<Plotly>}
 */
export async function loadPlotly(model) {
  const source = typeof PLOTLY_SOURCE === "string" ? PLOTLY_SOURCE : await readShared(model);
  const page = /** @type {Record<symbol, Map<string, Promise<Plotly>>>} */ (
    /** @type {unknown} */ (globalThis)
  );
  page[LOADED] ??= new Map();
  const loaded = page[LOADED];
  // gzip's data end with a checksum: two kernels with the same version share one Plotly.
  const key = source.slice(-16);
  if (!loaded.has(key)) {
    const plotly = readText(source, model).then(evaluate);
    loaded.set(key, plotly);
    plotly.catch(() => loaded.delete(key));
  }
  return /** @type {Promise<Plotly>} */ (loaded.get(key));
}

/**
 * Return plotly.js from the model that all figures of a kernel share.
 *
 * @param {Model} model
 * @returns {Promise<string>}
 */
async function readShared(model) {
  const id = String(model.get("_plotly")).replace("IPY_MODEL_", "");
  return (await model.widget_manager.get_model(id)).get("source");
}

/**
 * Return the text of plotly.js. A browser that can't decompress asks the kernel for it.
 *
 * @param {string} source plotly.min.js, as base64 of gzip
 * @param {Model} model of a figure
 * @returns {Promise<string>}
 */
export async function readText(source, model) {
  if (typeof DecompressionStream === "undefined") {
    console.warn("tickerkit: this browser can't decompress, so plotly.js comes in full (5 MB).");
    return askForText(model);
  }
  const bytes = Uint8Array.from(atob(source), (character) => character.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).text();
}

/**
 * @param {Model} model
 * @returns {Promise<string>}
 */
function askForText(model) {
  return new Promise((resolve) => {
    model.on("msg:custom", (content, [buffer]) => {
      if (content.kind === "plotly") resolve(new TextDecoder().decode(buffer));
    });
    model.send({ kind: "plotly" });
  });
}

/**
 * @param {string} text plotly.min.js
 * @returns {Promise<Plotly>}
 */
async function evaluate(text) {
  const before = window.Plotly;
  window.PlotlyConfig = { MathJaxConfig: "local", ...window.PlotlyConfig };
  // Evaluated as a CommonJS module: otherwise plotly.js would register with JupyterLab's loader.
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
