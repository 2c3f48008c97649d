/**
 * Filter: which frames to show, in Wireshark's words, such as `opcode == 9 or "AAPL"`.
 *
 * expression = all, joined by "or"; all = each, joined by "and"; each = "not" each, "(" expression
 * ")", a text in quotes, or a field with an operator and a value, or alone.
 */

import { nameOpcode } from "./header.js";

/** @import { FrameRow } from "./ring.js" */
/** @typedef {string | number | boolean | null} Value */
/** @typedef {(row: FrameRow) => boolean} Test */
/** @typedef {{kind: "word" | "text" | "sign" | "end", text: string, at: number}} Token */

/** The fields, by their names here. @type {Record<string, (row: FrameRow) => Value>} */
const FIELDS = {
  opcode: ({ opcode }) => opcode,
  fin: ({ header }) => header.fin,
  rsv: ({ header }) => header.rsv,
  mask: ({ header }) => header.masked,
  length: ({ length }) => length,
  code: ({ code }) => code,
  payload: ({ text }) => text,
  note: ({ note }) => note,
  link: ({ link }) => link,
  toward: ({ toward }) => toward,
  seq: ({ seq }) => seq,
};
/** Wireshark's names for them. Maps, since each object has names such as "constructor". */
const ALIASES = new Map([
  ["websocket.opcode", "opcode"],
  ["websocket.fin", "fin"],
  ["websocket.rsv", "rsv"],
  ["websocket.mask", "mask"],
  ["websocket.payload_length", "length"],
  ["websocket.payload", "payload"],
  ["websocket.payload.text", "payload"],
  ["websocket.payload.close.status_code", "code"],
  ["frame.number", "seq"],
  ["masked", "mask"],
]);
const WORDS = new Map([
  ["eq", "=="],
  ["ne", "!="],
  ["lt", "<"],
  ["le", "<="],
  ["gt", ">"],
  ["ge", ">="],
  ["&&", "and"],
  ["||", "or"],
]);
const OPERATORS = new Set(["==", "!=", "<", "<=", ">", ">=", "contains"]);
const TOKEN = /\s*(?:"([^"]*)"|'([^']*)'|([\w.]+)|(==|!=|<=|>=|<|>|&&|\|\||!|\(|\))|(\S))/y;
/** @type {Record<string, number>} */
const OPCODE_OF = Object.fromEntries([0, 1, 2, 8, 9, 10].map((each) => [nameOpcode(each), each]));

/** What is wrong with a filter, and at which character, counted from 0. */
export class FilterError extends Error {
  /**
   * @param {string} message
   * @param {number} at
   */
  constructor(message, at) {
    super(`${message}, at character ${at + 1}`);
    this.at = at;
  }
}

/**
 * Return the test that a filter describes; all frames pass an empty one.
 *
 * @param {string} text
 * @returns {Test}
 */
export function parseFilter(text) {
  if (!text.trim()) return () => true;
  const parser = new Parser(readTokens(text));
  const test = parser.parseAny();
  parser.expectEnd();
  return test;
}

/** @param {string} text */
function readTokens(text) {
  /** @type {Token[]} */
  const tokens = [];
  TOKEN.lastIndex = 0;
  for (let end = 0; ; ) {
    const found = TOKEN.exec(text);
    if (!found) break;
    const at = end + found[0].length - found[0].trimStart().length;
    const [, double, single, word, sign, other] = found;
    end = TOKEN.lastIndex;
    if (other) {
      const isQuote = other === '"' || other === "'";
      throw new FilterError(isQuote ? "This quote has no end" : `Unexpected ${other}`, at);
    }
    const quoted = double ?? single;
    if (quoted !== undefined) tokens.push({ kind: "text", text: quoted, at });
    else if (word) tokens.push({ kind: "word", text: WORDS.get(word) ?? word, at });
    else tokens.push({ kind: "sign", text: WORDS.get(sign) ?? sign, at });
  }
  tokens.push({ kind: "end", text: "", at: text.trimEnd().length });
  return tokens;
}

class Parser {
  #tokens;
  #at = 0;

  /** @param {Token[]} tokens */
  constructor(tokens) {
    this.#tokens = tokens;
  }

  get #token() {
    return this.#tokens[this.#at];
  }

  /** Take the token if it is one of these words or signs. @param {...string} texts */
  #accept(...texts) {
    const token = this.#token;
    if (token.kind === "text" || !texts.includes(token.text)) return null;
    this.#at++;
    return token;
  }

  expectEnd() {
    const { kind, at, text } = this.#token;
    if (kind !== "end") throw new FilterError(`Expected and, or, not ${text}`, at);
  }

  /** @returns {Test} */
  parseAny() {
    const tests = [this.#parseAll()];
    while (this.#accept("or")) tests.push(this.#parseAll());
    return tests.length === 1 ? tests[0] : (row) => tests.some((test) => test(row));
  }

  /** @returns {Test} */
  #parseAll() {
    const tests = [this.#parseOne()];
    while (this.#accept("and")) tests.push(this.#parseOne());
    return tests.length === 1 ? tests[0] : (row) => tests.every((test) => test(row));
  }

  /** @returns {Test} */
  #parseOne() {
    if (this.#accept("not", "!")) {
      const test = this.#parseOne();
      return (row) => !test(row);
    }
    const opened = this.#accept("(");
    if (opened) {
      const test = this.parseAny();
      if (!this.#accept(")")) throw new FilterError("This parenthesis is not closed", opened.at);
      return test;
    }
    const token = this.#token;
    this.#at++;
    if (token.kind === "text") return ({ text }) => text.includes(token.text);
    if (token.kind !== "word") {
      throw new FilterError("Expected a field or a text in quotes", token.at);
    }
    return this.#parseField(token);
  }

  /**
   * @param {Token} token
   * @returns {Test}
   */
  #parseField({ text, at }) {
    const name = ALIASES.get(text) ?? text;
    if (!Object.hasOwn(FIELDS, name)) {
      const expected = Object.keys(FIELDS).join(", ");
      throw new FilterError(`Unknown field ${text}; expected ${expected}, or "text"`, at);
    }
    const read = FIELDS[name];
    const operator = this.#accept(...OPERATORS);
    if (!operator) return (row) => Boolean(read(row));
    const value = this.#parseValue(name, operator);
    return (row) => compare(read(row), operator.text, value);
  }

  /**
   * @param {string} name
   * @param {Token} operator
   * @returns {string | number}
   */
  #parseValue(name, operator) {
    const token = this.#token;
    if (token.kind !== "word" && token.kind !== "text") {
      throw new FilterError(`Expected a value after ${operator.text}`, token.at);
    }
    this.#at++;
    if (["payload", "note", "toward"].includes(name) || operator.text === "contains") {
      return token.text;
    }
    if (name === "opcode" && Object.hasOwn(OPCODE_OF, token.text)) return OPCODE_OF[token.text];
    if (token.text === "true") return 1;
    if (token.text === "false") return 0;
    const number = Number(token.text); // 0x9, as Wireshark writes it, is a number, too
    if (Number.isNaN(number)) {
      throw new FilterError(`Expected a number for ${name}, not ${token.text}`, token.at);
    }
    return number;
  }
}

/**
 * @param {Value} left
 * @param {string} operator
 * @param {string | number} right
 */
function compare(left, operator, right) {
  if (left === null) return operator === "!=";
  if (operator === "contains") return String(left).includes(String(right));
  const value = typeof left === "boolean" ? Number(left) : left;
  if (operator === "==") return value === right;
  if (operator === "!=") return value !== right;
  if (operator === "<") return value < right;
  if (operator === "<=") return value <= right;
  if (operator === ">") return value > right;
  return value >= right;
}
