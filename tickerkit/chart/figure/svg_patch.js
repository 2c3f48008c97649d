// Quick draws. Between two full draws of Plotly's, what moves is set anew in the SVG that it made:
// a line's path, with the axis below it shifted, or the shape of the last bar.

import { asNumbers } from "./axes.js";

const MOST_SHIFT_PX = 40;
const SAME_WIDTH = 0.003;
const SAME_PX = 1.01; // Plotly puts the ends of some bars on whole pixels

/**
 * How Plotly draws a bar of each type: the layer and the elements, the letters of its path, and
 * which numbers of the path are what height.
 */
const SHAPES = {
  candlestick: {
    layer: "boxlayer", elements: "path.box", letters: "M,HM,HVHZM,VM,V",
    heights: { 1: "inside", 4: "bottom", 6: "top", 9: "bottom", 10: "low", 12: "top", 13: "high" },
  },
  ohlc: {
    layer: "ohlclayer", elements: "path", letters: "M,HM,VM,H",
    heights: { 1: "open", 4: "high", 5: "low", 7: "close" },
  },
  bar: {
    layer: "barlayer", elements: ".point path", letters: "M,VHVZ",
    heights: { 1: "zero", 2: "y", 4: "zero" },
  },
};
const NUMBER = /-?\d[\d.]*(e-?\d+)?/g;

/** A pair of axes as Plotly has just drawn them: what a line or bar on them needs to be drawn. */
function areaOf(xaxis, yaxis) {
  const flat = ["linear", "date"].includes(xaxis.type) && yaxis.type === "linear";
  if (!flat || !xaxis._length || xaxis.autorange === "reversed") return null;
  if (xaxis.rangeslider?.visible || xaxis.rangebreaks?.length) return null;
  const [bottom, top] = asNumbers(yaxis.range, "linear");
  return {
    width: xaxis._length,
    y: (value) => ((top - value) / (top - bottom)) * yaxis._length,
    holds: (value) => (bottom < top ? value >= bottom && value <= top : value <= bottom && value >= top),
  };
}

/** Draws a line: as a path through its points, wherever the axis has moved to. */
class Line {
  constructor(plot, { full, trace }, area) {
    const shape = full.line?.shape ?? "linear";
    this.paths = [...plot.querySelectorAll(`.scatterlayer .trace${trace.uid} path.js-line`)];
    this.area = area;
    this.step = shape === "hv";
    this.moves = true;
    const plain = full.mode === "lines" && (full.fill ?? "none") === "none";
    this.able = plain && ["linear", "hv"].includes(shape) && this.paths.length > 0;
  }

  /** Return a function that draws these points; null where Plotly must. */
  plan({ x, y }, [left, right]) {
    const { area, paths, step } = this;
    const scale = (area.width / (right - left)) * 100;
    let path = "";
    let pen = "M";
    for (let index = 0; index < x.length; index++) {
      if (Number.isNaN(y[index])) {
        pen = "M";
        continue;
      }
      if (!area.holds(y[index])) return null;
      const across = Math.round((x[index] - left) * scale) / 100;
      const down = Math.round(area.y(y[index]) * 100) / 100;
      path += step && pen === "L" ? `H${across}V${down}` : `${pen}${across},${down}`;
      pen = "L";
    }
    return () => {
      paths[0].setAttribute("d", path || "M0,0");
      for (const other of paths.slice(1)) other.removeAttribute("d");
    };
  }
}

/** Draws bars of which only the last has changed. */
class Bars {
  constructor(plot, { trace, series, full }, area) {
    const shape = SHAPES[full.type];
    const drawn = [...plot.querySelectorAll(`.${shape.layer} > .trace`)];
    // The data that Plotly's D3 has bound to an element say which trace it is.
    const mine = drawn.find((each) => each.__data__?.[0]?.trace?.uid === trace.uid);
    this.paths = [...(mine?.querySelectorAll(shape.elements) ?? [])];
    this.shape = shape;
    this.area = area;
    this.trace = trace;
    this.names = ["x", ...series.names];
    this.moves = false;
    this.able = this.asExpected();
  }

  /** Whether the last bar's path is what it should be: so another plotly.js can't be misdrawn. */
  asExpected() {
    const d = this.paths.at(-1)?.getAttribute("d") ?? "";
    if (this.paths.length !== this.trace.x.length) return false;
    if (d.replace(NUMBER, "") !== this.shape.letters) return false;
    const numbers = d.match(NUMBER).map(Number);
    const heights = this.heights(this.trace, -1);
    return Object.entries(this.shape.heights).every(
      ([index, name]) => Math.abs(numbers[index] - this.pixel(heights, name)) <= SAME_PX,
    );
  }

  /** Where Plotly draws one of a bar's values; a line at its close stays inside of a candle's box. */
  pixel(heights, name) {
    const { y } = this.area;
    if (name !== "inside") return y(heights[name]);
    const [above, below] = [y(heights.top), y(heights.bottom)].sort((one, other) => one - other);
    return Math.max(above + 1, Math.min(y(heights.close), below - 1));
  }

  heights(columns, index) {
    const { y, open, high, low, close } = Object.fromEntries(
      this.names.map((name) => [name, columns[name].at(index)]),
    );
    const [bottom, top] = [Math.min(open, close), Math.max(open, close)];
    return { zero: 0, y, open, high, low, close, bottom, top, way: Math.sign(close - open) };
  }

  plan(columns) {
    const { trace, names, area, shape, paths } = this;
    const count = columns.x.length;
    if (count !== trace.x.length) return null;
    for (const name of names) {
      const until = name === "x" ? count : count - 1;
      for (let index = 0; index < until; index++) {
        if (columns[name][index] !== trace[name][index]) return null;
      }
    }
    const now = this.heights(columns, -1);
    const named = Object.values(shape.heights).filter((name) => name !== "inside");
    if (!named.every((name) => area.holds(now[name]))) return null;
    const style = this.styleOf(now.way);
    if (style === null) return null;
    let turn = 0;
    const path = paths.at(-1);
    const d = path.getAttribute("d").replace(NUMBER, (number) => {
      const name = shape.heights[turn++];
      return name ? Math.round(this.pixel(now, name) * 100) / 100 : number;
    });
    return () => {
      path.setAttribute("d", d);
      path.setAttribute("style", style);
      for (const name of names) trace[name] = columns[name];
    };
  }

  /** Return the style of a bar that goes up or down: that of another one; null if there is none. */
  styleOf(way) {
    if (this.heights(this.trace, -1).way === way || Number.isNaN(way)) {
      return this.paths.at(-1).getAttribute("style");
    }
    for (let index = this.paths.length - 2; way && index >= 0; index--) {
      if (this.heights(this.trace, index).way === way) return this.paths[index].getAttribute("style");
    }
    return null;
  }
}

/** What can be drawn quickly of a plot that Plotly has just drawn. */
export class Quick {
  /** Return a quick way to draw these streams; null where there is none. */
  static of(plot, streams, axis, ranges, groups) {
    const layout = plot._fullLayout;
    const visible = plot._fullData.filter((each) => each.visible === true).length;
    const extras = ["shapes", "annotations", "images"].some((name) => layout[name]?.length);
    if (!streams.length || visible !== streams.length || extras) return null;
    const brushes = [];
    for (const stream of streams) {
      const Brush = stream.full.type === "scatter" ? Line : SHAPES[stream.full.type] && Bars;
      const area = areaOf(axis(stream.x), axis(stream.y));
      if (!Brush || !area || !ranges.get(stream.root)) return null;
      const brush = new Brush(plot, stream, area);
      if (!brush.able) return null;
      brushes.push(brush);
    }
    return new Quick(plot, brushes, new Map(ranges), groups);
  }

  constructor(plot, brushes, ranges, groups) {
    this.brushes = brushes;
    this.ranges = ranges;
    this.shifted = false;
    this.moving = new Map();
    for (const [root, ids] of groups) {
      const wanted = [...ids].flatMap((id) => [
        `.gridlayer > .${id}`, `.minor-gridlayer > .${id}`,
        `.${id}axislayer-above`, `.${id}axislayer-below`,
      ]);
      this.moving.set(root, [...plot.querySelectorAll(wanted.join())]);
    }
  }

  /** Draw the streams; false, and nothing done, where a full draw is due. */
  draw(streams, ranges, pointsOf) {
    if (streams.length !== this.brushes.length) return false;
    const drawings = [];
    const shifts = new Map();
    for (const [turn, stream] of streams.entries()) {
      const brush = this.brushes[turn];
      const [before, now] = [this.ranges, ranges].map((each) => each.get(stream.root)?.range);
      if (!before || !now) return false;
      const [span, newSpan] = [before[1] - before[0], now[1] - now[0]];
      const shift = ((now[0] - before[0]) / span) * brush.area.width;
      if (Math.abs(shift) > (brush.moves ? MOST_SHIFT_PX : 0)) return false;
      if (Math.abs(newSpan / span - 1) > (brush.moves ? SAME_WIDTH : 0)) return false;
      shifts.set(stream.root, shift);
      const drawing = brush.plan(pointsOf(stream, now), now);
      if (!drawing) return false;
      drawings.push(drawing);
    }
    for (const drawing of drawings) drawing();
    for (const [root, elements] of this.moving) {
      const shift = shifts.get(root);
      if (!shift && !this.shifted) continue;
      for (const element of elements) element.setAttribute("transform", `translate(${-shift},0)`);
    }
    this.shifted ||= [...shifts.values()].some(Boolean);
    return true;
  }

  /** Put the axes back where Plotly drew them, for it to draw them anew. */
  undo() {
    if (!this.shifted) return;
    for (const elements of this.moving.values()) {
      for (const element of elements) element.removeAttribute("transform");
    }
  }
}
