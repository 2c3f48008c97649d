// plotly.js, out of the model that all figures of a kernel share; evaluated once in a page.

const LOADED = Symbol.for("tickerkit.plotly");

/** Return a promise of Plotly, for the model of a figure. */
export async function loadPlotly(model) {
  const id = String(model.get("_plotly")).replace("IPY_MODEL_", "");
  const shared = await model.widget_manager.get_model(id);
  const source = shared.get("source");
  const loaded = (globalThis[LOADED] ??= new Map());
  // The end of gzip's data is a checksum: two kernels of one version share one Plotly.
  const key = source.slice(-16);
  if (!loaded.has(key)) {
    loaded.set(key, evaluate(source));
    loaded.get(key).catch(() => loaded.delete(key));
  }
  return loaded.get(key);
}

async function evaluate(source) {
  const bytes = Uint8Array.from(atob(source), (character) => character.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const text = await new Response(unpacked).text();
  const before = window.Plotly;
  window.PlotlyConfig = { MathJaxConfig: "local", ...window.PlotlyConfig };
  // As a CommonJS module: under JupyterLab's own loader it would register itself there.
  const module = `const module = {exports: {}}, define = undefined;\n${text}\nexport default module.exports;`;
  const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  try {
    return (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
    if (before) window.Plotly = before;
  }
}
