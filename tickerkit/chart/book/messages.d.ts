// The custom messages between a ladder in the kernel and its pages.
//
// messages.py has the same table for Python; a test compares the two. A message may be lost, in
// either direction: the next one of its kind has everything again.

// ---- from the kernel, at most ten times a second, and only while a page shows the ladder

/** The best levels of the newest book, and the state of the feed; sent when any of it changes. */
export interface BookMessage {
  kind: "book";
  /** Empty while no symbol has a book. */
  symbol: string;
  /** How many levels of each side the ladder shows. */
  levels: number;
  /** With how many decimals prices are written. */
  decimals: number;
  /** With how many decimals sizes are written. */
  size_decimals: number;
  /** When the book was so, in milliseconds since 1970 UTC; null without a book. */
  time_ms: number | null;
  /** The status of the feed: "live", "reconnecting", "stopped" and so on. */
  status: string;
  /** What to say beside the status; empty for nothing. */
  note: string;
  /** Price and size of each level, the highest price first. */
  bids: [number, number][];
  /** Price and size of each level, the lowest price first. */
  asks: [number, number][];
}

// ---- from the page

/** A page shows the ladder; it reports every 10 s. With `from`, it asks for the newest book. */
export interface HereMessage {
  kind: "here";
  page: string;
  from?: number;
}

/** A page no longer shows the ladder. */
export interface AwayMessage {
  kind: "away";
  page: string;
}

export type FromPage = HereMessage | AwayMessage;
