// The custom messages between the chart's widgets in the kernel and their pages.
//
// messages.py has the same table for Python; a test compares the two. Each interface is one kind of
// message, or a part of one. Binary data travel in a message's buffers. A message may be lost, in
// either direction; the comments describe how it is replaced.

// ---- LiveFigure, from the kernel

/** Points of some traces, at most 60 times a second. Each trace has a buffer of float64 for x, and
 *  one for each of its columns. A page that finds a message missing sends "here" with `from`. */
export interface PointsMessage {
  kind: "points";
  traces: TracePoints[];
}

/** The points of one trace in a `PointsMessage`: they replace all from `start` on. */
export interface TracePoints {
  uid: string;
  /** The run of positions; clearing a window begins a new run. */
  epoch: number;
  /** The position of the first point in the message. */
  start: number;
  /** The position of the oldest point in the kernel's window. */
  first: number;
  /** The columns beside x; only if the message has the whole window. */
  names?: string[];
  /** How many values each position of a heat map has in `z`; only together with `names`. */
  rows?: number;
}

/** Asks for a picture of the figure; the kernel waits 5 s for the first one. */
export interface FreezeMessage {
  kind: "freeze";
}

/** plotly.js in the buffer, uncompressed; the answer to an `AskPlotlyMessage`. */
export interface PlotlyMessage {
  kind: "plotly";
}

// ---- LiveFigure, from a page

/** A page reports every 20 s that it shows the figure; after 60 s without a report the kernel sends
 *  no more points. With `from` the page asks for points: by uid, the epoch and the next position
 *  that it needs, or null and -1 for the whole window. */
export interface HereMessage {
  kind: "here";
  page: string;
  from?: Record<string, [number | null, number]>;
}

/** A picture of the figure as it is shown, as PNG in the buffer. */
export interface PictureMessage {
  kind: "picture";
  width: number;
  height: number;
}

/** Asks for the figure's state: the page may have missed messages before it was ready. */
export interface StateMessage {
  kind: "state";
}

/** Asks for plotly.js, uncompressed: the page can't decompress. */
export interface AskPlotlyMessage {
  kind: "plotly";
}

// ---- Download, from the kernel

/** One part of a file, in the buffer. At most two parts are sent ahead of their confirmation. */
export interface PartMessage {
  kind: "part";
  job: string;
  /** Parts are numbered from 0. */
  number: number;
  /** Whether the buffer is compressed (zlib). */
  compressed: boolean;
  /** How many lines there are up to the end of this part. */
  lines: number;
  /** About how many lines there will be; null if that is not known. */
  total_lines: number | null;
}

/** All parts have been sent. */
export interface EndMessage {
  kind: "end";
  job: string;
  number: number;
  name: string;
  bytes: number;
}

/** The file can't be sent; `reason` is a sentence for the user. */
export interface FailedMessage {
  kind: "failed";
  job: string;
  reason: string;
}

// ---- Download, from a page

/** Asks for the file. `job` is the page's name for it. */
export interface WantMessage {
  kind: "want";
  job: string;
  /** Whether the page can decompress. */
  compressed: boolean;
}

/** Confirms all parts before `number`. With `again`, asks for all unconfirmed parts again. */
export interface NextMessage {
  kind: "next";
  job: string;
  number: number;
  again: boolean;
}

/** The user has cancelled the download, or the file was damaged. */
export interface CancelMessage {
  kind: "cancel";
  job: string;
}

// ---- in the state of a LiveFigure

/** The positions of the points of one trace that `_widget_data` holds. The trait `_places` has a
 *  TraceWindow for each trace with points, by uid, and {} for a trace that is sent by plotly's own
 *  messages. */
export interface TraceWindow {
  epoch: number;
  /** The position after the newest point. */
  next: number;
  names: string[];
  /** Whether these are all points of the window; otherwise only as many as a first draw needs. */
  whole: boolean;
  /** How many values each position of a heat map has in `z`. */
  rows?: number;
}

/** The trait `_live`. */
export interface LiveSettings {
  labels: boolean;
  /** Whether the points of rare messages are shown over the frames until the next one. */
  smooth: boolean;
  /** null once the user has set a template. */
  theme: "auto" | "light" | "dark" | null;
  /** The time zone of the figure's times. */
  zone: string;
  /** The program that runs the notebook; "jupyter" stands for every other one, too. */
  host: "jupyter" | "marimo" | "colab";
  /** Identifies the figure where a page asks for its points, as in Google Colab. */
  key: string;
}

/** The trait `_note`: a sentence that the figure shows about itself; no note if `text` is empty. */
export interface FigureNote {
  /** "waiting" hides the empty axes, "lost" dims the chart. */
  kind: "info" | "waiting" | "lost" | "ended";
  text: string;
}

// ---- the messages of each widget, by direction

export type KernelMessage = PointsMessage | FreezeMessage | PlotlyMessage;
export type PageMessage = HereMessage | PictureMessage | StateMessage | AskPlotlyMessage;
export type DownloadMessage = PartMessage | EndMessage | FailedMessage;
export type DownloadRequest = WantMessage | NextMessage | CancelMessage;
