/**
 * Header: the first bytes of a websocket frame, read as RFC 6455, section 5.2 writes them.
 */

/** The names of the opcodes that have a meaning. @type {Record<number, string>} */
const OPCODES = { 0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" };
/** The names of close codes: RFC 6455, section 7.4.1, and IANA's registry.
 *  @type {Record<number, string>} */
export const CLOSE_CODES = {
  1000: "normal",
  1001: "going away",
  1002: "protocol error",
  1003: "unsupported data",
  1005: "no status",
  1006: "abnormal",
  1007: "invalid payload",
  1008: "policy violation",
  1009: "too big",
  1010: "extension needed",
  1011: "internal error",
  1012: "service restart",
  1013: "try again later",
  1014: "bad gateway",
  1015: "TLS failed",
};

/**
 * A header; one that was cut off has zeros for what is missing. `lengthBits` is 7, 16 or 64; `size`
 * is in bytes.
 *
 * @typedef {{opcode: number, fin: boolean, rsv: number, masked: boolean, key: Uint8Array,
 *   length: number, lengthBits: number, size: number}} Header
 */

/** @param {string} hex two digits for each byte */
export function fromHex(hex) {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}

/**
 * @param {Uint8Array} bytes
 * @returns {Header}
 */
export function parseHeader(bytes) {
  const [first = 0, second = 0] = bytes;
  const short = second & 0x7f;
  const lengthBits = short < 126 ? 7 : short === 126 ? 16 : 64;
  const lengthBytes = lengthBits === 7 ? 0 : lengthBits / 8;
  let length = lengthBytes ? 0 : short;
  for (let at = 2; at < 2 + lengthBytes; at++) length = length * 256 + (bytes[at] ?? 0);
  const masked = second > 0x7f;
  const keyAt = 2 + lengthBytes;
  return {
    opcode: first & 0x0f,
    fin: first > 0x7f,
    rsv: (first >> 4) & 7,
    masked,
    key: masked ? bytes.slice(keyAt, keyAt + 4) : new Uint8Array(),
    length,
    lengthBits,
    size: keyAt + (masked ? 4 : 0),
  };
}

/** @param {number} opcode */
export const nameOpcode = (opcode) => OPCODES[opcode] ?? `opcode ${opcode}`;

/**
 * Return a payload masked with a key of four bytes; applied twice, it is the payload again.
 *
 * @param {Uint8Array} payload
 * @param {Uint8Array} key
 */
export const applyMask = (payload, key) =>
  key.length === 4 ? payload.map((byte, at) => byte ^ key[at & 3]) : payload;
