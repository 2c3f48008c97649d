// The objects that a class's server sends to a student's page, beside arrays of ticks, and the
// facts that are in the page itself.

/** The student's own seat; sent when it changes. */
export interface SeatMessage {
  type: "seat";
  name: string;
  /** In words, such as "connected, 0 behind". */
  status: string;
  tasks: { number: number; title: string; state: string; hint: string; fault: string }[];
  /** "", "stalled" or "dropped". */
  wire: string;
}

/** A text of the teacher, or of a student, whose name is then in `from`. */
export interface NoteMessage {
  type: "note";
  text: string;
  from?: string;
}

/** A question of a task, which the student's program answers. */
export interface AskMessage {
  type: "ask";
  id: number;
  /** "count", "min", "last", or "gap", which is about no symbol. */
  question: string;
  symbol: string | null;
  /** The first and the last tick that it is about, by their seq. */
  from: number | null;
  to: number | null;
}

/** What the server refuses. */
export interface ErrorMessage {
  type: "error";
  message: string;
  hint: string;
}

export type ClassMessage = SeatMessage | NoteMessage | AskMessage | ErrorMessage;

/** A starter program: the texts are filled with the `host` and the `name` of `Facts`. */
export interface StarterText {
  key: string;
  title: string;
  /** How to run it, in a few words. */
  run: string;
  text: string;
}

/** What the server writes into the page. */
export interface Facts {
  code: string;
  title: string;
  host: string;
  name: string;
  starters: StarterText[];
  tasks: { number: number; title: string; text: string }[];
}
