/**
 * Plotly loader: loads plotly.js, once per page. It comes in the model that all figures of a kernel
 * share, or with this module as PLOTLY_SOURCE.
 */

/** @import { Model, Plotly } from "./types.d.ts" */
/** @typedef {{compiled: Promise<() => Plotly>, plotly?: Promise<Plotly>}} Loaded */

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
  const source =
    typeof PLOTLY_SOURCE === "string" ? decodeBase64(PLOTLY_SOURCE) : await readShared(model);
  const loaded = compileOnce(source, model);
  loaded.plotly ??= loaded.compiled.then(evaluate);
  return loaded.plotly;
}

/**
 * Compile plotly.js, as soon as the model that all figures of a kernel share is in the page. The
 * browser does so in the background, while Python still makes the first figure. It is not evaluated
 * yet: that blocks the page, and anywidget drops the messages of a figure that takes over 2 seconds
 * to begin.
 *
 * @param {{model: Model}} props
 */
export function compileShared({ model }) {
  // A browser that can't decompress asks for the text, which a figure does.
  if (typeof DecompressionStream !== "undefined") compileOnce(model.get("source"), model);
}

/**
 * @param {DataView} source plotly.min.js, compressed by gzip
 * @param {Model} model
 * @returns {Loaded}
 */
function compileOnce(source, model) {
  const page = /** @type {Record<symbol, Map<string, Loaded>>} */ (
    /** @type {unknown} */ (globalThis)
  );
  page[LOADED] ??= new Map();
  const all = page[LOADED];
  // gzip's data end with a checksum: two kernels with the same version share one Plotly.
  const { buffer, byteOffset, byteLength } = source;
  const key = new Uint8Array(buffer, byteOffset + byteLength - 8, 8).join();
  let loaded = all.get(key);
  if (!loaded) {
    loaded = { compiled: decompress(source, model).then(compile) };
    all.set(key, loaded);
    loaded.compiled.catch(() => all.delete(key));
  }
  return loaded;
}

/**
 * Return plotly.js from the model that all figures of a kernel share.
 *
 * @param {Model} model
 * @returns {Promise<DataView>}
 */
async function readShared(model) {
  const id = String(model.get("_plotly")).replace("IPY_MODEL_", "");
  return (await model.widget_manager.get_model(id)).get("source");
}

/** @param {string} base64 */
function decodeBase64(base64) {
  const text = atob(base64);
  // A loop: Uint8Array.from takes ten times as long, 150 ms.
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return new DataView(bytes.buffer);
}

/**
 * Return the text of plotly.js. A browser that can't decompress asks the kernel for it.
 *
 * @param {DataView} source plotly.min.js, compressed by gzip
 * @param {Model} model of a figure
 * @returns {Promise<Blob>}
 */
export async function decompress(source, model) {
  if (typeof DecompressionStream === "undefined") {
    console.warn("tickerkit: this browser can't decompress, so plotly.js comes in full (5 MB).");
    return askForText(model);
  }
  const packed = new Blob([/** @type {DataView<ArrayBuffer>} */ (source)]);
  return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).blob();
}

/**
 * @param {Model} model
 * @returns {Promise<Blob>}
 */
function askForText(model) {
  return new Promise((resolve) => {
    model.on("msg:custom", (content, [buffer]) => {
      if (content.kind === "plotly") resolve(new Blob([buffer]));
    });
    model.send({ kind: "plotly" });
  });
}

/**
 * Return a function that evaluates plotly.js.
 *
 * @param {Blob} text plotly.min.js
 * @returns {Promise<() => Plotly>}
 */
async function compile(text) {
  // Chromium compiles all functions in the background because of the first line; the page then
  // stands still for half as long. Evaluated as a CommonJS module: otherwise plotly.js would
  // register with JupyterLab's loader.
  const head = [
    "//# allFunctionsCalledOnLoad",
    "export default () => {",
    "const module = {exports: {}}, define = undefined;\n",
  ].join("\n");
  const module = [head, text, "\nreturn module.exports;\n}"];
  const url = URL.createObjectURL(new Blob(module, { type: "text/javascript" }));
  try {
    return (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * @param {() => Plotly} run evaluates plotly.js
 * @returns {Plotly}
 */
function evaluate(run) {
  const before = window.Plotly;
  window.PlotlyConfig = { MathJaxConfig: "local", ...window.PlotlyConfig };
  try {
    return run();
  } finally {
    if (before) window.Plotly = before;
  }
}
