/**
 * Words: what the page says about its own connection.
 */

/** @import { ConnectionState } from "./seat_socket.js" */
/** @import { SeatMessage } from "./messages.d.ts" */

/** What the teacher may have done to the student's connection. @type {Record<string, string>} */
const WIRES = {
  stalled: "the teacher has stalled your wire",
  dropped: "the teacher has cut your wire",
  delayed: "the teacher delays your wire",
};

/** A silence shorter than this is not mentioned. */
const QUIET_S = 10;

/** After so many failures in a row, the page says what to look at. */
const MANY_FAILURES = 3;

const MAX_NAME = 32;

/**
 * What the page knows about its connection. `waitS` is the time until the next try, `silentS` how
 * long nothing has come.
 *
 * @typedef {{state: ConnectionState, waitS: number, silentS: number, failures: number,
 *   reason: string, seat: SeatMessage | null}} Connection
 */

/**
 * Return the student's status as a sentence, without the name.
 *
 * @param {Connection} connection
 */
export function describeStatus({ state, waitS, silentS, failures, reason, seat }) {
  switch (state) {
    case "live": {
      const parts = [seat?.status || "connected", WIRES[seat?.wire ?? ""] ?? ""];
      if (silentS >= QUIET_S) parts.push(`nothing has come for ${silentS} s`);
      return parts.filter(Boolean).join("; ");
    }
    case "connecting":
      return "connecting…";
    case "removed":
      return `not connected; ${reason || "the teacher has closed your connection"}`;
    case "refused":
      return `not connected; ${reason}${waitS ? `; next try in ${waitS} s` : ""}`;
    default: {
      const advice = "the teacher's computer does not answer; are you still in the same wifi?";
      const tries = waitS ? `next try in ${waitS} s` : "trying again…";
      const parts = [failures >= MANY_FAILURES ? advice : reason, tries];
      return ["not connected", ...parts].filter(Boolean).join("; ");
    }
  }
}

/** Numbers change too often to be read aloud. @param {string} status */
export const describeForSpeech = (status) =>
  status.replace(/, \d[\d,.]* behind|; (next try|nothing has come) [^;]*|; trying again…/g, "");

/**
 * Return the tab's title: the first price while the page is connected, else the state.
 *
 * @param {{state: ConnectionState, name: string, title: string, price: string}} shown
 */
export function describeTitle({ state, name, title, price }) {
  if (!name) return title;
  const first = state === "live" ? price : state === "refused" ? "refused" : `${state}…`;
  return [state === "removed" ? "closed" : first, name].filter(Boolean).join(" · ");
}

/**
 * Return a name without what can't be printed, at most 32 characters long.
 *
 * @param {string} text
 */
export function cleanName(text) {
  const printable = text.normalize("NFC").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, " ");
  const characters = [...printable.replace(/\s+/g, " ").trim()];
  return characters.slice(0, MAX_NAME).join("").trim();
}

/**
 * Return a program with the student's own host and name in it.
 *
 * @param {string} text of the program
 * @param {{host: string, name: string}} filled what the text has now
 * @param {{host: string, name: string}} own
 */
export function personalise(text, filled, own) {
  const withHost = filled.host ? text.replaceAll(filled.host, own.host) : text;
  if (!filled.name) return withHost;
  // In an address a name is percent-encoded; elsewhere it is in quotes.
  const inAddress = `name=${encodeURIComponent(filled.name)}`;
  return withHost
    .replaceAll(inAddress, () => `name=${encodeURIComponent(own.name)}`)
    .replaceAll(filled.name, () => JSON.stringify(own.name).slice(1, -1));
}
