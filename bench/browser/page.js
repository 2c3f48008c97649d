// What the benchmark adds to the page, before anything of JupyterLab's runs.
//
// It counts what travels over the kernel's websocket, and finds out for each frame of the page
// what the newest point in it is. A point counts as drawn in the frame in which the drawing was
// done, if that was in an animation frame's callback or before the paint that follows it, and in
// the next one otherwise.
(() => {
  if (window.bench) return;
  const nextFrame = window.requestAnimationFrame.bind(window);
  const clock = () => performance.timeOrigin + performance.now() + skew;
  let skew = 0;

  // --- frames --------------------------------------------------------------------------------
  let frame = null; // the time that names the frame that is being made
  let inFrame = false;
  let hidden = false;
  const held = [];
  let made = fresh();

  function fresh() {
    return {
      start: performance.now(),
      frames: 0,
      late: [],
      early: [],
      comm: 0,
      commBytes: 0,
      received: 0,
      sent: 0,
      sentBytes: 0,
      sentTypes: {},
    };
  }

  // What one plot shows.
  class Drawn {
    fresh = 0; // frames with new data
    seen = null; // the newest point in the frame that is being made
    #waiting = null; // drawn outside of a frame: will be seen with the next one
    #last = null; // the newest point in the frame before it
    #at = 0; // when the frame that is being made was drawn

    begin() {
      if (this.seen !== null && this.seen !== this.#last) {
        this.fresh += 1;
        made.early.push(this.#at - this.seen);
        // The frame after the one that showed it: by then it has been painted, whatever that took.
        made.late.push(clock() - this.seen);
        this.#last = this.seen;
        onFresh?.(this.seen);
      }
      if (this.#waiting !== null) {
        this.seen = this.#waiting;
        this.#at = clock();
        this.#waiting = null;
      }
    }

    draw(newest) {
      if (newest === null || newest === undefined || Number.isNaN(newest)) return;
      if (newest === this.seen || newest === this.#waiting) return;
      if (inFrame) {
        this.seen = newest;
        this.#at = clock();
      } else this.#waiting = newest;
    }
  }

  const first = new Drawn();
  let drawn = [first];
  let onFresh = null;
  const draw = (newest) => first.draw(newest);
  const least = () => Math.min(...drawn.map((each) => each.fresh));

  function begin(time) {
    if (time === frame) return;
    frame = time;
    for (const each of drawn) each.begin();
    made.frames += 1;
    if (shown === null && isPainted()) nextFrame(() => (shown ??= performance.now()));
  }

  // A task of its own comes after the paint; what a callback has promised comes before.
  const painted = new MessageChannel();
  painted.port1.onmessage = () => {
    inFrame = false;
  };

  window.requestAnimationFrame = (callback) => {
    if (hidden) {
      held.push(callback);
      return 1e9 + held.length;
    }
    return nextFrame((time) => {
      if (hidden) return void held.push(callback);
      begin(time);
      if (!inFrame) painted.port2.postMessage(null);
      inFrame = true;
      callback(time);
    });
  };
  const cancel = window.cancelAnimationFrame.bind(window);
  window.cancelAnimationFrame = (id) => {
    if (id > 1e9) held[id - 1e9 - 1] = () => {};
    else cancel(id);
  };
  const tick = (time) => {
    begin(time);
    nextFrame(tick);
  };
  nextFrame(tick);

  // A hidden tab as its scripts see it: the document says "hidden", and no animation frames come.
  function hide(yes) {
    hidden = yes;
    Object.defineProperty(document, "hidden", { configurable: true, get: () => yes });
    const state = yes ? "hidden" : "visible";
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
    document.dispatchEvent(new Event("visibilitychange"));
    if (!yes) for (const callback of held.splice(0)) window.requestAnimationFrame(callback);
  }

  // Shows the tab again; how long until a frame shows a point that is newer than that moment.
  async function back() {
    const start = clock();
    hide(false);
    while (!(first.seen >= start)) await new Promise(nextFrame);
    return clock() - start;
  }

  // --- the websocket of the kernel -----------------------------------------------------------
  const text = new TextDecoder();

  // Jupyter's v1 websocket format: the number of offsets, the offsets, the channel, the header.
  function kind(data) {
    if (typeof data === "string") return JSON.parse(data).header?.msg_type ?? "";
    const view = new DataView(data);
    const offset = (index) => Number(view.getBigUint64(8 * (1 + index), true));
    return JSON.parse(text.decode(new Uint8Array(data, offset(1), offset(2) - offset(1)))).msg_type;
  }
  const length = (data) => data.byteLength ?? data.size ?? new TextEncoder().encode(data).length;

  window.WebSocket = class extends window.WebSocket {
    constructor(...args) {
      super(...args);
      this.bench = String(args[0]).includes("/api/kernels/");
      if (this.bench)
        this.addEventListener("message", ({ data }) => {
          const size = length(data);
          made.received += size;
          if (kind(data) === "comm_msg") {
            made.comm += 1;
            made.commBytes += size;
          }
        });
    }

    send(data) {
      if (this.bench) {
        const size = length(data.buffer ?? data);
        const type = kind(data.buffer ?? data);
        made.sent += 1;
        made.sentBytes += size;
        made.sentTypes[type] = (made.sentTypes[type] ?? 0) + 1;
      }
      super.send(data);
    }
  };

  // --- what each library has drawn -----------------------------------------------------------
  let onGl = null;
  for (const name of ["drawArrays", "drawArraysInstanced", "drawElements", "drawElementsInstanced"])
    for (const api of [window.WebGLRenderingContext, window.WebGL2RenderingContext]) {
      const drawing = api?.prototype[name];
      if (drawing)
        api.prototype[name] = function (...args) {
          drawing.apply(this, args);
          onGl?.();
        };
    }

  // perspective draws in a worker: the same there. The page gets one message for each frame.
  const inWorker = `
    const channel = new BroadcastChannel("bench");
    let isPosting = false;
    const post = () => {
      isPosting = false;
      channel.postMessage(performance.timeOrigin + performance.now());
    };
    const names = ["drawArrays", "drawArraysInstanced", "drawElements", "drawElementsInstanced"];
    for (const name of names) {
      const drawing = WebGL2RenderingContext.prototype[name];
      WebGL2RenderingContext.prototype[name] = function (...args) {
        drawing.apply(this, args);
        if (!isPosting) { isPosting = true; Promise.resolve().then(post); }
      };
    }`;
  const script = (source) =>
    URL.createObjectURL(new Blob([source], { type: "application/javascript" }));
  window.Worker = class extends window.Worker {
    constructor(url, options) {
      const ours = options?.name === "viewer-charts";
      super(ours ? script(`import "${script(inWorker)}"; import "${url}";`) : url, options);
    }
  };

  const end = (values) => (values?.length ? Number(values[values.length - 1]) : null);
  const epoch = (value) => {
    if (value === null || value === undefined) return null;
    return typeof value === "string"
      ? Date.parse(value + (/Z|[+-]\d\d:/.test(value) ? "" : "Z"))
      : Number(value);
  };

  async function widget() {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    const type = "application/vnd.jupyter.widget-view+json";
    for (const cell of notebook.model.toJSON().cells)
      for (const output of cell.outputs ?? [])
        if (output.data?.[type]) {
          const manager = await notebook.rendermime.createRenderer(type)._manager.promise;
          return manager.get_model(output.data[type].model_id);
        }
    return null;
  }

  // marimo keeps each output in a shadow tree.
  function* trees(root = document) {
    yield root;
    for (const el of root.querySelectorAll("*")) if (el.shadowRoot) yield* trees(el.shadowRoot);
  }
  const all = (selector) => [...trees()].flatMap((tree) => [...tree.querySelectorAll(selector)]);
  const plots = () => all(".js-plotly-plot").filter((el) => el._fullLayout);

  // When the first figure was painted; looked for only once `awaitFigure` has been called.
  let shown = 0;
  const LINES = ".scatterlayer path.js-line, .plot-container canvas";
  const isPainted = () => document.querySelector(LINES) !== null;

  function watchPlot(el, plot) {
    let noted = el._tickerkit; // set again with each draw of a LiveFigure
    const set = (made) => {
      noted = made;
      plot.draw(epoch(made.newest));
    };
    Object.defineProperty(el, "_tickerkit", { configurable: true, get: () => noted, set });
    el.on("plotly_afterplot", () => {
      if (!noted) plot.draw(epoch(el.data[0].x?.[el.data[0].x.length - 1]));
    });
    return noted ? "fast" : "full";
  }

  // Whether a path in the plot has changed: for candles, where only the last one does.
  function watchPaths(el) {
    let changes = 0;
    const options = {
      attributes: true,
      attributeFilter: ["d"],
      attributeOldValue: true,
      subtree: true,
    };
    new MutationObserver((records) => {
      if (records.some((it) => it.target.getAttribute("d") !== it.oldValue)) draw(++changes);
    }).observe(el, { ...options, childList: false });
  }

  const attach = {
    plotly() {
      const [el] = plots();
      if (!el?.on || !el.data?.length) return false;
      return watchPlot(el, first);
    },
    // Frames are counted for each plot by itself; the smallest count is reported.
    each(count) {
      const found = plots();
      if (found.length < count || !found.every((el) => el.on && el.data?.length)) return false;
      drawn = found.map(() => new Drawn());
      for (const [index, el] of found.entries()) watchPlot(el, drawn[index]);
      return "each";
    },
    candles() {
      const [el] = plots();
      if (!el?.querySelector(".cartesianlayer path.box")) return false;
      watchPaths(el.querySelector(".cartesianlayer"));
      return "paths";
    },
    // bokeh's source has a point before the plot is painted. So a point counts as drawn when the
    // painting ends.
    bokeh() {
      const view = [...(window.Bokeh?.index?.roots ?? Object.values(window.Bokeh?.index ?? {}))][0];
      const plot = view?.model?.renderers ? view : view?.child_views?.[0];
      const source = plot?.model?.renderers?.[0]?.data_source;
      if (!source) return false;
      const paint = plot._actual_paint ?? plot.actual_paint;
      const name = plot._actual_paint ? "_actual_paint" : "actual_paint";
      if (!paint) return false;
      plot[name] = function (...args) {
        paint.apply(this, args);
        draw(end(source.data.x));
      };
      return name;
    },
    // The newest x that the chart was given counts at the next WebGL draw.
    async xy() {
      const model = await widget();
      if (!model || !document.querySelector(".jp-OutputArea canvas")) return false;
      let given = null;
      const day = Math.floor(Date.now() / 864e5) * 864e5; // its x are milliseconds of the day
      model.on("change", () => {
        const { traces, columns } = model.get("spec");
        const column = columns[traces[0].x];
        const data = model.get("buffers")[column.buf];
        const start = data.byteOffset + column.byte_offset;
        const newest = new DataView(data.buffer).getFloat32(start + 4 * (column.len - 1), true);
        given = day + column.offset + newest * column.scale;
      });
      onGl = () => draw(given);
      return "gl";
    },
    // Frames only: the points are uploaded from the worker in a form of its own.
    perspective() {
      if (!document.querySelector("perspective-viewer")) return false;
      const channel = new BroadcastChannel("bench");
      channel.onmessage = ({ data }) => draw(data);
      return "worker";
    },
  };

  window.bench = {
    attach: async (name, ...args) => attach[name](...args),
    hide,
    back,
    drawn: least,
    plots: () => plots().length,
    // Requests more points from the kernel after each frame with new data.
    request(port) {
      onFresh = (newest) => void fetch(`http://127.0.0.1:${port}/${newest}`, { mode: "no-cors" });
    },
    awaitFigure() {
      shown = null;
      return performance.now();
    },
    shown: () => shown,
    // How many points a live figure's first line holds in the page, and the sum of their y.
    held() {
      const series = plots()[0]?._tickerkit?.streams?.[0]?.series;
      let sum = 0;
      for (let at = series?.first; at < series?.next; at++) sum += series.at(at).y;
      return { count: series?.length ?? 0, sum };
    },
    reset() {
      const apart = Date.now() + 0.5 - performance.timeOrigin - performance.now();
      skew = Math.abs(apart) > 2 ? apart : 0;
      made = fresh();
      for (const each of drawn) each.fresh = 0;
    },
    read() {
      return { ...made, fresh: least(), seconds: (performance.now() - made.start) / 1000, skew };
    },
  };
})();
