// The types that the modules of a live figure share. Of Plotly's own objects only the properties in
// use are declared.

import type { Series } from "./series.js";

/** A widget's model, as anywidget gives it. */
export interface Model {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
  on(events: string, callback: (...values: any[]) => void): void;
  off(events: string, callback: (...values: any[]) => void): void;
  widget_manager: { get_model(id: string): Promise<Model> };
}

export type Plotly = Record<string, any>;
export type Layout = Record<string, any>;
export type Template = Record<string, any>;
export type ThemeName = "auto" | "light" | "dark";

/** A trace, as Python and Plotly describe it; `uid` identifies it. */
export type Trace = Record<string, any>;

export type AxisType = "linear" | "log" | "date" | "category" | "multicategory" | "-";

/** An axis of a layout. Plotly computes the properties whose names begin with "_". */
export interface AxisLayout {
  type?: AxisType;
  range?: any[];
  autorange?: boolean | "reversed";
  matches?: string;
  ticksuffix?: string;
  tickformat?: string;
  hoverformat?: string;
  domain?: Range;
  rangeslider?: { visible?: boolean };
  rangebreaks?: unknown[];
  _length?: number;
  _offset?: number;
}

/** The element that Plotly draws in. */
export interface Plot extends HTMLElement {
  data: Trace[];
  layout: Layout;
  _fullData: Trace[];
  _fullLayout: Layout;
  /** The newest x drawn, whether a patch may follow, and what is streamed; for tests and
   *  benchmarks. */
  _tickerkit?: { newest: number; hasPatch: boolean; streams: Stream[] };
  on(event: string, callback: (event: any) => void): void;
}

/** A colour: three of its parts from 0 to 255, and its opacity from 0 to 1. */
export interface Color {
  red: number;
  green: number;
  blue: number;
  alpha: number;
}

/** The two ends of an axis; on a logarithmic axis, their logarithms. */
export type Range = [number, number];

/** The range that an x axis shows, and the smallest x when the range was chosen. */
export interface Place {
  least?: number;
  range: Range;
}

/** Columns of points, by name. */
export type Columns = Record<string, Float64Array>;

/** A visible trace whose points are streamed. */
export interface Stream {
  index: number;
  /** The trace as it was given to Plotly. */
  trace: Trace;
  /** The trace with all that Plotly has filled in. */
  full: Trace;
  series: Series;
  /** The ids of its axes. */
  x: string;
  y: string;
  /** The id of the x axis that its own axis matches, see `PlotAxes.findRoot`. */
  root: string;
  hasBars: boolean;
  /** The candles whose colours its bars have; null if they have their own. */
  candles: Stream | null;
  /** Whether it is a heat map: each position is a column of cells. */
  isHeat: boolean;
  /** The value since which the trace is drawn as its change in percent; null if it is not. */
  base: number | null;
}

/** A label with the newest value of a trace, at the right edge of the plot; x and y in pixels. */
export interface Label {
  key: string;
  text: string;
  /** The colours of the label and of its text. */
  color: string;
  ink: string;
  /** Whether x is the label's right end, because something else is on the right of the plot. */
  isInside: boolean;
  x: number;
  y: number;
  /** The top and the bottom of the label's axis. */
  area: Range;
}

/** An array in the state of a model. */
export interface Packed {
  dtype: string | undefined;
  shape: number[];
  buffer: DataView;
}

declare global {
  /** plotly.js as base64 of gzip, where it is a part of the page side. */
  var PLOTLY_SOURCE: string | undefined;
  interface Window {
    Plotly?: Plotly;
    PlotlyConfig?: Record<string, unknown>;
  }
}
