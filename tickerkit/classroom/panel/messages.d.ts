// The custom messages between a tap's panel in the kernel and its pages.
//
// messages.py has the same table for Python; a test compares the two. A message may be lost, in
// either direction; the comments describe how it is replaced.

// ---- from the kernel, all from one thread

/** The newest frames from `start` to `stop`, at most 20 times a second. Frames of this range that
 *  have no row were left out, since there were more than 5,000 a second; a page shows how many. If
 *  `start` is after the next frame that a page expects, a message was lost, or the tap no longer
 *  holds the frames between. Every page gets what any page has asked for, and skips what it has. */
export interface FramesMessage {
  kind: "frames";
  start: number;
  stop: number;
  /** Number, time in microseconds since 1970, link, toward (0 client, 1 server), flags (1 made by
   *  the tap, 2 changed by it, 4 kept back by it, 8 inflated), length, header in hex, the first 120
   *  bytes of the payload in hex (unmasked and inflated), notes, and for how many microseconds the
   *  tap kept the frame. */
  rows: [number, number, number, number, number, number, string, string, string, number][];
  /** Link, time as above, "request", "answer" or "end", a line, and the text of the head. */
  events: [number, number, string, string, string][];
  state: TapState;
}

/** The state of the tap and of its open connections. */
export interface TapState {
  /** "listening", "holding" or "stopped". */
  status: string;
  address: string;
  server: string;
  /** How many frames and bytes there were so far. */
  frames: number;
  bytes: number;
  /** How many frames wait, and for how many seconds the oldest of them. */
  held: number;
  held_s: number;
  /** After how many seconds the first of the pages whose frames wait takes its connection for dead;
   *  null if none waits. */
  gives_up_s: number | null;
  /** How many frames pass per second; null if all do, or none. */
  rate: number | null;
  /** Whether clients may ask the server for compression. */
  compression: boolean;
  /** Of each open connection its number, the client's address, and the newest round trips to the
   *  client and to the server in milliseconds. */
  links: [number, string, number | null, number | null][];
}

/** One frame whole, the answer to an `AskMessage`: the buffers are its payload unmasked, and the
 *  same inflated. Without buffers, the tap no longer holds the frame. */
export interface PayloadMessage {
  kind: "payload";
  seq: number;
  length: number;
  /** The read in which the frame begins, where in it, and how many reads it took; read is -1 if the
   *  tap made the frame. */
  read: number;
  offset: number;
  reads: number;
  /** The frame in whose place it was sent, in hex; empty if it passed as it came. */
  came: string;
  /** Why the content is not inflated; empty if it is, or needn't be. */
  problem: string;
}

/** What an order has done; `text` is a sentence for the user. If it is lost, the state shows what
 *  was done. */
export interface AnswerMessage {
  kind: "answer";
  id: string;
  ok: boolean;
  text: string;
}

// ---- from a page

/** A page that shows the panel, or the board of a class, reports every 10 s; after 60 s without a
 *  report the kernel sends nothing more. With `from` it asks for the frames, or the changes, from
 *  this number on. */
export interface HereMessage {
  kind: "here";
  page: string;
  from?: number;
}

/** A page no longer shows the panel or the board. */
export interface AwayMessage {
  kind: "away";
  page: string;
}

/** Asks for one frame whole; the page asks again when the frame is chosen again. */
export interface AskMessage {
  kind: "ask";
  seq: number;
}

/** Calls a method of the tap, by its name, with these arguments. Other names: "save" with a
 *  `suffix` ("pcapng", "har" or "jsonl") saves a file where the kernel runs; "compress" with
 *  `is_on` sets whether clients may ask for compression; "project" asks for the address of the
 *  projector. */
export interface OrderMessage {
  kind: "order";
  id: string;
  name: string;
  arguments: Record<string, string | number | boolean | null>;
}

export type FromKernel = FramesMessage | PayloadMessage | AnswerMessage;
export type FromPage = HereMessage | AwayMessage | AskMessage | OrderMessage;
