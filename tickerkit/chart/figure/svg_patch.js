/**
 * SVG patch: draws changes into Plotly's SVG, between two full draws by Plotly.
 *
 * A draw takes 2.2 ms as a patch and 19.5 ms by Plotly (one line, measured in Chromium): Plotly
 * computes the whole figure again, though between two frames only a line and the axis below it
 * move, or the last bar changes its shape. So Plotly draws four times a second, and the frames in
 * between are patches. If a figure has elements that this module doesn't know, or an axis has moved
 * further than a patch can show, Plotly draws every frame.
 */

import { createTracePatch } from "./svg_traces.js";

/** @import { AxisLayout, Columns, Place, Plot, Range, Stream } from "./types.d.ts" */
/** @import { TracePatch } from "./svg_traces.js" */

/** How far an axis may move before Plotly must draw it again, with new tick labels. */
const MAX_SHIFT_PX = 40;
/** How much the width of a range may change, as a share, while the range counts as only moved. */
const MAX_STRETCH = 0.003;

/** Draws the changes since Plotly's last draw of a plot. */
export class SvgPatch {
  #patches;
  #ranges;
  #isShifted = false;
  /** The elements to shift with an axis, by its root. @type {Map<string, Element[]>} */
  #axisElements = new Map();

  /**
   * Return a patch for these streams; null if Plotly has to draw them.
   *
   * @param {Plot} plot
   * @param {Stream[]} streams
   * @param {(id: string) => AxisLayout} axis
   * @param {Map<string, Place | null>} ranges of x as drawn, by root
   * @param {Map<string, Set<string>>} groups the ids of the x axes that move together, by root
   */
  static create(plot, streams, axis, ranges, groups) {
    const layout = plot._fullLayout;
    const visible = plot._fullData.filter((each) => each.visible === true).length;
    const hasExtras = ["shapes", "annotations", "images"].some((name) => layout[name]?.length);
    if (!streams.length || visible !== streams.length || hasExtras) return null;
    const patches = [];
    for (const stream of streams) {
      if (!ranges.get(stream.root)) return null;
      const patch = createTracePatch(plot, stream, axis(stream.x), axis(stream.y));
      if (!patch) return null;
      patches.push(patch);
    }
    return new SvgPatch(plot, patches, ranges, groups);
  }

  /**
   * @param {Pick<Plot, "querySelectorAll">} plot
   * @param {TracePatch[]} patches one for each stream
   * @param {Map<string, Place | null>} ranges
   * @param {Map<string, Set<string>>} groups
   */
  constructor(plot, patches, ranges, groups) {
    this.#patches = patches;
    this.#ranges = new Map(ranges);
    for (const [root, ids] of groups) {
      const selectors = [...ids].flatMap((id) => [
        `.gridlayer > .${id}`,
        `.minor-gridlayer > .${id}`,
        `.${id}axislayer-above`,
        `.${id}axislayer-below`,
      ]);
      this.#axisElements.set(root, [...plot.querySelectorAll(selectors.join())]);
    }
  }

  /**
   * Draw the streams; return false, with nothing drawn, if Plotly has to draw them.
   *
   * @param {Stream[]} streams
   * @param {Map<string, Place | null>} ranges of x, by root
   * @param {(stream: Stream, range: Range) => Columns} points returns the points to draw
   */
  draw(streams, ranges, points) {
    if (streams.length !== this.#patches.length) return false;
    const draws = [];
    /** @type {Map<string, number>} */
    const shifts = new Map();
    for (const [number, stream] of streams.entries()) {
      const patch = this.#patches[number];
      const before = this.#ranges.get(stream.root)?.range;
      const now = ranges.get(stream.root)?.range;
      if (!before || !now) return false;
      const [width, newWidth] = [before[1] - before[0], now[1] - now[0]];
      const shift = ((now[0] - before[0]) / width) * patch.area.width;
      if (Math.abs(shift) > (patch.canMove ? MAX_SHIFT_PX : 0)) return false;
      if (Math.abs(newWidth / width - 1) > (patch.canMove ? MAX_STRETCH : 0)) return false;
      shifts.set(stream.root, shift);
      const draw = patch.plan(points(stream, now), now);
      if (!draw) return false;
      draws.push(draw);
    }
    for (const draw of draws) draw();
    this.#shiftAxes(shifts);
    return true;
  }

  /** @param {Map<string, number>} shifts in pixels, by root */
  #shiftAxes(shifts) {
    for (const [root, elements] of this.#axisElements) {
      const shift = shifts.get(root);
      if (!shift && !this.#isShifted) continue;
      for (const element of elements) {
        element.setAttribute("transform", `translate(${-(/** @type {number} */ (shift))},0)`);
      }
    }
    this.#isShifted ||= [...shifts.values()].some(Boolean);
  }

  /** Put the axes back where Plotly drew them, before Plotly draws them again. */
  undo() {
    for (const patch of this.#patches) if ("undo" in patch) patch.undo();
    if (!this.#isShifted) return;
    for (const elements of this.#axisElements.values()) {
      for (const element of elements) element.removeAttribute("transform");
    }
  }
}
