/**
 * Payload: the content of frames as text that shows everything, and as hex.
 */

import { toHex } from "./bits.js";
import { CLOSE_CODES } from "./header.js";

const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });
const STRICT = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
/** Characters that nobody sees, and that could change the order in which others are shown. */
const UNSEEN = /[\p{Cf}\p{Zl}\p{Zp}\u0080-\u009f]/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/g;

/**
 * Return text in one line, with a sign for each character that nobody would see.
 *
 * @param {string} text
 */
export const makeVisible = (text) =>
  text
    .replaceAll("\n", "↵")
    .replace(CONTROL, (each) => `⟨${hexOf(each).slice(2)}⟩`)
    .replace(UNSEEN, (each) => `⟨U+${hexOf(each)}⟩`);

/**
 * Return text in its lines, otherwise as `makeVisible` does.
 *
 * @param {string} text
 */
export const makeLinesVisible = (text) => text.split("\n").map(makeVisible).join("\n");

/** @param {string} character */
const hexOf = (character) =>
  (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");

/** @param {Uint8Array} bytes */
export const decodeText = (bytes) => DECODER.decode(bytes);

/** @param {Uint8Array} bytes the payload of a close frame */
export function readCloseCode(bytes) {
  return bytes.length > 1 ? bytes[0] * 256 + bytes[1] : null;
}

/**
 * Return a payload in one line: text as such, other bytes in hex.
 *
 * @param {number} opcode
 * @param {Uint8Array} bytes the first of the payload
 * @param {boolean} isWhole whether these are all
 */
export function summarizePayload(opcode, bytes, isWhole) {
  const end = isWhole ? "" : "…";
  if (opcode === 8) {
    const code = readCloseCode(bytes);
    if (code === null) return bytes.length ? toHex(bytes) : "no code";
    const reason = makeVisible(decodeText(bytes.subarray(2)));
    const name = CLOSE_CODES[code];
    return `${code}${name ? ` ${name}` : ""}${reason ? ` "${reason}${end}"` : ""}`;
  }
  if (opcode === 1 || (opcode === 0 && isText(bytes))) {
    // The last character may be cut in half.
    const text = decodeText(bytes);
    return makeVisible(isWhole ? text : text.replace(/\ufffd$/, "")) + end;
  }
  return toHex(bytes) + end;
}

/** @param {Uint8Array} bytes */
function isText(bytes) {
  // Up to three bytes at the end may be a part of a character.
  for (let cut = 0; cut < 4 && cut < bytes.length; cut++) {
    try {
      STRICT.decode(bytes.subarray(0, bytes.length - cut));
      return true;
    } catch {}
  }
  return bytes.length === 0;
}

/**
 * Return bytes as lines of 16, each with its offset, hex and characters.
 *
 * @param {Uint8Array} bytes
 */
export function dumpHex(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = bytes.subarray(at, at + 16);
    const characters = Array.from(part, (byte) =>
      byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·",
    );
    const offset = at.toString(16).padStart(4, "0");
    lines.push(`${offset}  ${toHex(part).padEnd(47)}  ${characters.join("")}`);
  }
  return lines.join("\n");
}

/**
 * Return content as text, as hex, or as JSON that is indented; text that is no JSON stays text.
 *
 * @param {Uint8Array} bytes
 * @param {"text" | "hex" | "json"} form
 */
export function formatContent(bytes, form) {
  if (form === "hex") return dumpHex(bytes);
  const text = decodeText(bytes);
  if (form === "text") return makeLinesVisible(text);
  try {
    return makeLinesVisible(JSON.stringify(JSON.parse(text), null, 2));
  } catch (error) {
    const problem = makeVisible(/** @type {Error} */ (error).message);
    return `no JSON: ${problem}\n\n${makeLinesVisible(text)}`;
  }
}
