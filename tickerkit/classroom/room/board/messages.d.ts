// The custom messages between a class's board in the kernel and its pages.
//
// messages.py has the same table for Python; a test compares the two. A message may be lost, in
// either direction; the comments describe how it is replaced. If an answer is lost, the roster and
// the journal show what was done.

import type { AnswerMessage, AwayMessage, HereMessage } from "../../panel/messages.d.ts";

// ---- from the kernel, all from one thread

/** What does not change while the class lasts. */
export interface ClassFacts {
  code: string;
  /** The address that students open. */
  page: string;
  /** Further addresses, each with its network interface. */
  others: [string, string][];
  /** The SVG of a QR code with the page's address, and of one that joins the wifi; may be empty. */
  qr: string;
  wifi_qr: string;
  ssid: string;
  /** Number and title of each task. */
  tasks: [number, string][];
  /** Name and title of each challenge that can be started. */
  challenges: [string, string][];
  /** What may keep other machines out: in words, what to do, and whether that is a command. */
  traps: [string, string, string, boolean][];
  /** The names of the orders that this class takes. */
  orders: string[];
}

/** What is shown beside the students. */
export interface ClassState {
  /** "listening", "ended", "restarting" or "stopped". */
  status: string;
  students: number;
  connected: number;
  /** The newest addresses of other machines that have connected. */
  reached: string[];
  /** Whether no other machine has come for so long that the traps should be shown. */
  is_unreached: boolean;
  /** Whether the market can be paused and paced; it can crash if it has `symbols`. */
  can_steer: boolean;
  paused: boolean;
  speed: number;
  symbols: string[];
  /** The name of the challenge that is on, and when it ends in seconds since 1970. */
  challenge: string;
  until: number | null;
}

/** The facts, for a page that has not got them; a page that has none asks again with `from: 0`. */
export interface ClassMessage {
  kind: "class";
  facts: ClassFacts;
}

/** The students and lines of the journal that have changed from `start` to `stop`, at most twice a
 *  second and 20 kB. If `start` is after the `stop` that a page has, a message was lost, and the
 *  page asks from there. With `start` 0 the page forgets what it has. */
export interface ChangesMessage {
  kind: "changes";
  start: number;
  stop: number;
  /** Name, status ("live", "stalled" or "away"), program, connections that ended without a close
   *  frame, ticks not sent yet, the newest round trip in ms, tasks (one letter each, in their
   *  order: p passed, f failed, o open, - not given), score, and what the teacher has done to the
   *  wire ("", "stalled", "dropped" or "delayed"). */
  rows: [string, string, string, number, number, number | null, string, number | null, string][];
  gone: string[];
  /** Number, time in seconds since 1970, event, name, and the rest as text. */
  journal: [number, number, string, string, string][];
  state: ClassState;
}

// ---- from a page

/** An order of the teacher, by its name, with these arguments. */
export interface OrderMessage {
  kind: "order";
  id: string;
  name: string;
  arguments: Record<string, string | number | null>;
}

export type FromKernel = ClassMessage | ChangesMessage | AnswerMessage;
export type FromPage = HereMessage | AwayMessage | OrderMessage;
