/**
 * Bits: the parts of a frame in the order of RFC 6455, section 5.2, each with what it means.
 */

import { nameOpcode, parseHeader } from "./header.js";

/**
 * A part of a frame: its name, its bits or bytes, what they mean here, and an explanation with its
 * section. `kind` chooses its colour.
 *
 * @typedef {{name: string, kind: string, raw: string, value: string, about: string}} Part
 */

const MEANINGS = {
  continuation: "the message that was begun goes on",
  text: "a message of text begins, in UTF-8",
  binary: "a message of bytes begins",
  close: "the last frame of this direction, with a code and a reason",
  ping: "a question that a pong with the same payload answers",
  pong: "the answer to a ping, with its payload",
};

/**
 * @param {Uint8Array} bytes
 * @param {string} separator
 */
export const toHex = (bytes, separator = " ") =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(separator);

/**
 * @param {number} number
 * @param {number} width
 */
const toBits = (number, width) => number.toString(2).padStart(width, "0");

/**
 * Return the parts of a frame.
 *
 * @param {Uint8Array} header
 * @param {number} length of the payload in bytes
 * @returns {Part[]}
 */
export function describeParts(header, length) {
  const { opcode, fin, rsv, masked, key, lengthBits, length: written } = parseHeader(header);
  const word = nameOpcode(opcode);
  const meaning = MEANINGS[/** @type {keyof typeof MEANINGS} */ (word)] ?? "it has no meaning";
  const parts = [
    {
      name: "FIN",
      kind: "flag",
      raw: fin ? "1" : "0",
      value: fin ? "last" : "more follow",
      about:
        "FIN: 1 in the last frame of a message, 0 if fragments of it follow (RFC 6455, 5.2, 5.4)",
    },
    ...[1, 2, 3].map((number) => ({
      name: `RSV${number}`,
      kind: "flag",
      raw: (rsv >> (3 - number)) & 1 ? "1" : "0",
      value: (rsv >> (3 - number)) & 1 ? (number === 1 ? "deflated?" : "set") : "",
      about:
        number === 1
          ? "RSV1: 0, unless permessage-deflate was agreed: then 1 in a message that is deflated" +
            " (RFC 6455, 5.2; RFC 7692, 6)"
          : `RSV${number}: 0, since no extension in use gives it a meaning (RFC 6455, 5.2)`,
    })),
    {
      name: "opcode",
      kind: opcode > 7 ? "control" : "data",
      raw: toBits(opcode, 4),
      value: word,
      about: `Opcode ${opcode}, ${word}: ${meaning} (RFC 6455, 5.2; control frames: 5.5)`,
    },
    {
      name: "MASK",
      kind: "mask",
      raw: masked ? "1" : "0",
      value: masked ? "masked" : "plain",
      about: "MASK: 1 in each frame toward the server, 0 in each toward the client (RFC 6455, 5.1)",
    },
    {
      name: "length",
      kind: "length",
      raw: toBits(header[1] & 0x7f, 7),
      value: lengthBits === 7 ? `${written}` : `${lengthBits} bits follow`,
      about:
        "Payload length: up to 125 it is written here; 126 means that 16 bits with it follow, 127" +
        " that 64 bits do (RFC 6455, 5.2)",
    },
  ];
  if (lengthBits > 7) {
    parts.push({
      name: `length, ${lengthBits} bits`,
      kind: "length",
      raw: toHex(header.slice(2, 2 + lengthBits / 8)),
      value: written.toLocaleString("en"),
      about: "The payload length, its most significant byte first (RFC 6455, 5.2)",
    });
  }
  if (masked) {
    parts.push({
      name: "masking key",
      kind: "mask",
      raw: toHex(key),
      value: "",
      about:
        "Masking key: byte i of the payload is XORed with byte i mod 4 of the key. Each frame" +
        " has a new one (RFC 6455, 5.3 and 10.3)",
    });
  }
  parts.push({
    name: "payload",
    kind: "payload",
    raw: length ? "…" : "none",
    value: `${length.toLocaleString("en")} ${length === 1 ? "byte" : "bytes"}`,
    about:
      "Payload: what the frame carries, XORed with the masking key if it is masked (RFC 6455, 5.2)",
  });
  return parts;
}
