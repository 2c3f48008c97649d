/** Filter: Wireshark's words choose frames, and a wrong filter says where it is wrong. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { FilterError, parseFilter } from "../../../tickerkit/classroom/panel/filter.js";
import { FrameRow } from "../../../tickerkit/classroom/panel/ring.js";

const hex = (text) => Buffer.from(text).toString("hex");
const frame = (seq, toward, header, payload, note = "", length = payload.length) =>
  new FrameRow([seq, seq, 1 + (seq % 2), toward, 0, length, header, hex(payload), note]);

const FRAMES = [
  frame(1, 0, "810a", '["AAPL"]'),
  frame(2, 1, "818a00000000", '["MSFT"]'),
  frame(3, 0, "8904", "ping"),
  frame(4, 0, "e105", "wrong", "a reserved bit is set (RFC 6455, 5.2)"),
  frame(5, 1, "888200000000", "\x03\xea"),
  new FrameRow([6, 6, 1, 0, 0, 2, "8802", "03ea", "", 0]),
  frame(7, 0, "017e0100", "fragment", "", 256),
];
const find = (text) => FRAMES.filter(parseFilter(text)).map(({ seq }) => seq);

for (const [text, found] of [
  ["", [1, 2, 3, 4, 5, 6, 7]],
  ["websocket.opcode == 9", [3]],
  ["opcode == ping", [3]],
  ["opcode eq 0x9", [3]],
  ['opcode == 9 or "AAPL"', [1, 3]],
  ['opcode == 1 and ("AAPL" or "MSFT")', [1, 2]],
  ["opcode == 1 && !mask", [1, 4, 7]],
  ["not websocket.fin", [7]],
  ["fin == false", [7]],
  ["websocket.mask == 1", [2, 5]],
  ["rsv != 0", [4]],
  ["note", [4]],
  ["note contains reserved", [4]],
  ["websocket.payload.close.status_code == 1002", [6]],
  ["code >= 1000 || length > 100", [6, 7]],
  ["toward == server", [2, 5]],
  ["payload contains 'PL'", [1]],
  ["link == 1 and seq le 4", [2, 4]],
  ["(((opcode == 9)))", [3]],
  ["opcode == 9 or opcode == 1 and mask", [2, 3]],
]) {
  test(`the filter ${text || "that is empty"} finds its frames`, () => {
    assert.deepEqual(find(text), found);
  });
}

for (const [text, at, words] of [
  ["opcod == 9", 0, /Unknown field opcod; expected opcode, fin/],
  ["opcode ==", 9, /Expected a value after ==/],
  ["opcode == 9 9", 12, /Expected and, or, not 9/],
  ['fin and "AAPL', 8, /This quote has no end/],
  ["fin and (mask or rsv", 8, /This parenthesis is not closed/],
  ["length > many", 9, /Expected a number for length, not many/],
  ["fin and", 7, /Expected a field or a text in quotes/],
  ["fin # 1", 4, /Unexpected #/],
  ["constructor", 0, /Unknown field constructor/],
  ["opcode == constructor", 10, /Expected a number/],
]) {
  test(`the filter ${text} says what is wrong, and where`, () => {
    assert.throws(
      () => parseFilter(text),
      (error) =>
        error instanceof FilterError &&
        error.at === at &&
        error.message.endsWith(`, at character ${at + 1}`) &&
        words.test(error.message),
    );
  });
}
