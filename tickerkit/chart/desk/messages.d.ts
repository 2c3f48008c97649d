// The custom messages between a dashboard in the kernel and its pages, and its traits.
//
// messages.py has the same table for Python; a test compares the two. A message may be lost, in
// either direction; the comments describe how it is replaced.
//
// Two more traits are references to widgets ("IPY_MODEL_…"), whose views the page places:
// `_figure`, the LiveFigure, and `_download`, the button Download of chart/widgets/download.js.

// ---- from the kernel, all from one thread, and only while a page shows the dashboard

/** The rows of the watchlist that changed, at most four times a second. After a `HereMessage` with
 *  `from`, `whole` is true: these are all rows, and no other exists. `gone` has the ids of rows
 *  that no longer exist. A page that gets a row it doesn't know, without `symbol`, has lost a
 *  message and reports with `from` again. */
export interface RowsMessage {
  kind: "rows";
  whole: boolean;
  rows: DeskRow[];
  gone: string[];
}

/** What changed in the row of a symbol: a field that is left out keeps its value. The first message
 *  about a row, and each with `whole`, has all fields. null stands for no number. */
export interface DeskRow {
  /** Unique in the dashboard, and the same for as long as the row exists. */
  id: string;
  /** Index in `StatusMessage.feeds`. */
  feed?: number;
  symbol?: string;
  /** The order in which rows stand where the user has not sorted them. */
  place?: number;
  /** The column that `last` is from; "price" for the middle of quotes, too. */
  column?: string;
  /** What to write before `last`, dimmed: "mid" for the middle of quotes, or the column where it is
   *  not the one chosen; else empty. */
  label?: string;
  /** What to write after `last`; empty for none. */
  unit?: string;
  /** With how many decimals `last`, `bid`, `ask` and `spread` are written. */
  decimals?: number;
  last?: number | null;
  /** The direction in which `last` moved when it last changed: 1 up, -1 down, 0 not known. */
  move?: number;
  /** Change of `last` since the first value in the chosen window, in percent. */
  change?: number | null;
  bid?: number | null;
  ask?: number | null;
  spread?: number | null;
  size?: number | null;
  /** The values of the columns in `DeskMenu.others`, and their decimals, in the same order. */
  others?: (number | null)[];
  other_decimals?: number[];
  /** Ticks per second over the last seconds. */
  rate?: number;
  /** When the newest tick happened, in ms since 1970. */
  time_ms?: number;
  /** How long ago the newest tick came, in seconds, when the message was sent; the page counts
   *  on. A row that gets no tick is not sent again for that. */
  age_s?: number;
  /** "live", "quiet" or "mute"; of a venue also "asked", "refused" and others. */
  status?: string;
  /** The usual time from one tick of this symbol to the next, in seconds. */
  pace_s?: number | null;
  /** How long after its time the newest tick came; negative where the source's clock is ahead. */
  lag_ms?: number | null;
  /** Of a venue's subscriptions: gaps, ticks missing in them, and ticks repaired. */
  gaps?: number;
  missing?: number;
  repaired?: number;
  /** More about the status, as "trades live, quotes mute"; from outside: never as HTML. */
  detail?: string;
  /** Whether the newest tick is from before the server began again: to be dimmed. */
  is_stale?: boolean;
  /** Means of `last` over 60 parts of the window, at most 60, the newest part whole; the page draws
   *  `last` behind them. Sent when a part is complete. */
  spark?: (number | null)[];
}

/** The state of the feeds and of the recording, when it changes and at least every `every_s`
 *  seconds. A page that shows the dashboard and gets no message of any kind for three times as long
 *  says that it hears nothing from the kernel: it is busy, or was restarted. */
export interface StatusMessage {
  kind: "status";
  every_s: number;
  feeds: FeedState[];
  record: RecordState;
}

/** The state of one feed. Texts may come from outside: never as HTML. */
export interface FeedState {
  /** A short name for chips and rows. */
  name: string;
  url: string;
  /** "live", "connecting", "reconnecting", "failed", "ended" or "stopped". */
  status: string;
  /** Why it isn't live; empty if it is. */
  reason: string;
  ticks: number;
  /** Ticks per second. */
  rate: number;
  symbols: number;
  gaps: number;
  lag_ms: number | null;
  /** What to know about a guessed field map, or that another notebook serves it; mostly empty. */
  note: string;
  /** The newest error; mostly empty. */
  error: string;
}

/** Whether the dashboard records, and a line about the recording. */
export interface RecordState {
  is_on: boolean;
  /** File, ticks and size; of the last recording if none runs. Empty without one. */
  text: string;
  error: string;
}

/** Events of the ribbon, in the order of their numbers, as they happen. After a `HereMessage` with
 *  `from`: the newest 200 from that number on, with `is_past`. An event may come twice: a page
 *  skips the numbers that it has. Events with `notify` or `sound` are also sent while no page shows
 *  the dashboard; a page notifies of them unless `is_past`. */
export interface EventsMessage {
  kind: "events";
  is_past: boolean;
  events: DeskEvent[];
}

/** One event of the ribbon. */
export interface DeskEvent {
  /** Counts all events of the dashboard, from 0. */
  number: number;
  /** "message" is a sentence of the dashboard itself, such as that a choice was refused. */
  type: "alert" | "gap" | "message";
  /** Index in `StatusMessage.feeds`. */
  feed: number;
  /** Empty if it is about no one symbol. */
  symbol: string;
  /** From outside: never as HTML. */
  text: string;
  time_ms: number;
  /** Whether the user has asked for a notification of the browser, and for a sound. */
  notify: boolean;
  sound: boolean;
}

// ---- from a page

/** A page that shows the dashboard reports every 10 s; after 60 s without a report the kernel sends
 *  nothing more. With `from`, the number of the next event that the page expects, it asks for
 *  everything whole: rows, status, and the events from this number on. */
export interface HereMessage {
  kind: "here";
  page: string;
  from?: number;
}

/** A page no longer shows the dashboard. */
export interface AwayMessage {
  kind: "away";
  page: string;
}

/** The user has chosen something: `choices` has the fields of `DeskChoices` that change. The kernel
 *  sets the trait `_choices`; if a choice is invalid it stays as it is, and an event of type
 *  "message" says why. Until then the page shows the choice as if it were made. */
export interface ChooseMessage {
  kind: "choose";
  choices: Record<string, string | number | boolean | string[] | null>;
}

/** Starts or ends a recording of every feed; `StatusMessage.record` shows what it did. */
export interface RecordMessage {
  kind: "record";
  is_on: boolean;
}

// ---- traits

/** The trait `_choices`: what the dashboard shows. Only the kernel sets it. */
export interface DeskChoices {
  view: "percent" | "price" | "candles";
  /** Whether candles have their volume below. */
  volume: boolean;
  /** The feed that the chart shows. */
  feed: number;
  /** The symbol that the chart shows; null for all. */
  symbol: string | null;
  column: string;
  /** A time such as "5min", or a number of ticks. */
  window: string | number;
  /** The length of a bar: a time such as "5s", or seconds. */
  bar: string | number;
  /** Such as "sma(20)". */
  indicators: string[];
  /** What Download saves: the visible window, or all ticks held. */
  extent: "visible" | "all";
  /** Whether the chart is held still; a zoom in the chart sets it, too. */
  paused: boolean;
  /** The field of `DeskRow` by which rows are sorted; empty for their own order. */
  sort: string;
  descending: boolean;
  /** What the user has typed to filter the rows. */
  filter: string;
}

/** The trait `_menu`: what can be chosen. */
export interface DeskMenu {
  /** Names of the feeds. */
  feeds: string[];
  views: ViewEntry[];
  symbols: SymbolEntry[];
  /** The columns of numbers. */
  columns: string[];
  /** Whether a menu of columns is of use: of a market the view says it all. */
  shows_columns: boolean;
  windows: (string | number)[];
  bars: (string | number)[];
  indicators: IndicatorEntry[];
  /** Further columns of the watchlist, for symbols without a price; mostly empty. */
  others: OtherColumn[];
  /** Whether any row has a bid or an ask: else the watchlist needs no such columns. */
  is_quoted: boolean;
  /** Whether any row has a price or a size. */
  is_market: boolean;
  /** The time zone in which times are shown, such as "America/New_York". */
  zone: string;
  /** The height of the chart in pixels. */
  height: number;
}

/** A view of the chart. */
export interface ViewEntry {
  view: string;
  label: string;
  description: string;
}

/** A symbol that the chart can show. */
export interface SymbolEntry {
  feed: number;
  symbol: string;
}

/** An indicator that the chart can show; the user may type others, with other parameters. */
export interface IndicatorEntry {
  /** With its usual parameters: "sma(20)". */
  text: string;
  name: string;
  description: string;
}

/** A further column of numbers in the watchlist, for symbols without a price. */
export interface OtherColumn {
  column: string;
  /** Its name in a few characters. */
  label: string;
  unit: string;
}

export type FromKernel = RowsMessage | StatusMessage | EventsMessage;
export type FromPage = HereMessage | AwayMessage | ChooseMessage | RecordMessage;
