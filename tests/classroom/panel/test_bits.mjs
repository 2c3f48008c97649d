/** Header, bits and payload: what the page says of a frame's bytes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { describeParts } from "../../../tickerkit/classroom/panel/bits.js";
import { applyMask, fromHex, parseHeader } from "../../../tickerkit/classroom/panel/header.js";
import {
  dumpHex,
  formatContent,
  makeVisible,
  summarizePayload,
} from "../../../tickerkit/classroom/panel/payload.js";
import { FrameRow } from "../../../tickerkit/classroom/panel/ring.js";
import { describeRow } from "../../../tickerkit/classroom/panel/row_list.js";

const bytes = (text) => new TextEncoder().encode(text);
const boxes = (hex, length) =>
  describeParts(fromHex(hex), length).map(({ name, raw, value }) => [name, raw, value]);
const FLAGS = [
  ["RSV1", "0", ""],
  ["RSV2", "0", ""],
  ["RSV3", "0", ""],
];

test("the parts of a masked frame are in the order of the RFC", () => {
  assert.deepEqual(boxes("81a63d5b9c11", 38), [
    ["FIN", "1", "last"],
    ...FLAGS,
    ["opcode", "0001", "text"],
    ["MASK", "1", "masked"],
    ["length", "0100110", "38"],
    ["masking key", "3d 5b 9c 11", ""],
    ["payload", "…", "38 bytes"],
  ]);
});

test("longer lengths have a part of their own", () => {
  assert.deepEqual(boxes("027e0100", 256).slice(4), [
    ["opcode", "0010", "binary"],
    ["MASK", "0", "plain"],
    ["length", "1111110", "16 bits follow"],
    ["length, 16 bits", "01 00", "256"],
    ["payload", "…", "256 bytes"],
  ]);
  assert.deepEqual(boxes("827f0000000000010000", 65536)[7].slice(1), [
    "00 00 00 00 00 01 00 00",
    "65,536",
  ]);
});

test("each part says what it is, and its section", () => {
  for (const { about } of describeParts(fromHex("f1fe01003d5b9c11"), 256)) {
    assert.match(about, /\(RFC 6455, \d/);
  }
});

test("a header that was cut off is read as far as it goes", () => {
  assert.deepEqual(parseHeader(fromHex("")).length, 0);
  assert.deepEqual(parseHeader(fromHex("817e01")).lengthBits, 16);
});

test("masking twice gives the payload again", () => {
  const key = fromHex("3d5b9c11");
  const masked = applyMask(bytes("hello"), key);
  assert.deepEqual(masked, fromHex("553ef07d52"));
  assert.deepEqual(applyMask(masked, key), bytes("hello"));
});

test("markup stays text, and characters that nobody sees have a sign", () => {
  assert.equal(makeVisible("<img src=x>"), "<img src=x>");
  assert.equal(
    makeVisible("a\u0000\u001b[31m\n\u202eb\u2066\ufeff\u009b"),
    "a⟨00⟩⟨1B⟩[31m↵⟨U+202E⟩b⟨U+2066⟩⟨U+FEFF⟩⟨U+009B⟩",
  );
});

for (const [opcode, payload, isWhole, line] of [
  [1, bytes("héllo"), true, "héllo"],
  [1, bytes("hé").slice(0, 2), false, "h…"],
  [0, bytes("more"), true, "more"],
  [0, fromHex("ff00"), true, "ff 00"],
  [2, fromHex("9f21"), false, "9f 21…"],
  [9, bytes("tk"), true, "74 6b"],
  [8, fromHex("03ea6e6f"), true, '1002 protocol error "no"'],
  [8, fromHex("0fa0"), true, "4000"],
  [8, fromHex(""), true, "no code"],
]) {
  test(`opcode ${opcode} with ${line} is shown in one line`, () => {
    assert.equal(summarizePayload(opcode, payload, isWhole), line);
  });
}

test("content is shown as text, hex or JSON", () => {
  const content = bytes('{"a":[1]}\n');
  assert.equal(formatContent(content, "text"), '{"a":[1]}\n');
  assert.equal(formatContent(content, "json"), '{\n  "a": [\n    1\n  ]\n}');
  assert.match(formatContent(bytes("a\u202e"), "json"), /^no JSON: .*\n\na⟨U\+202E⟩$/s);
  assert.equal(
    dumpHex(bytes("0123456789abcdefg")),
    "0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n" +
      `0010  67${" ".repeat(47)}g`,
  );
});

test("a row says direction, number, bits and notes in words", () => {
  const row = new FrameRow([1204, 5_000_000, 2, 1, 2, 3, "819300000000", "616263", "a note"]);
  assert.deepEqual(describeRow(row, 2_000_000), [
    "⚡─▶ server",
    "2",
    "3.000",
    "1,204",
    "text",
    "1",
    "000",
    "✓",
    "3 (7 bits)",
    "abc",
    "a note",
  ]);
});
