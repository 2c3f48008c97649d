/** plotly_loader: a page gets the text of plotly.js, also in a browser that can't decompress. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { gzipSync } from "node:zlib";

import { decompress } from "../../../tickerkit/chart/figure/plotly_loader.js";

const SOURCE = new DataView(new Uint8Array(gzipSync("plotly")).buffer);

test("plotly.js is decompressed by the browser", async () => {
  assert.equal(await (await decompress(SOURCE, {})).text(), "plotly");
});

test("a browser that can't decompress says so, and asks the kernel", async () => {
  const { DecompressionStream } = globalThis;
  const warn = mock.method(console, "warn", () => {});
  globalThis.DecompressionStream = undefined;
  try {
    let listen;
    const model = {
      on: (_, callback) => {
        listen = callback;
      },
      send: (message) => {
        assert.deepEqual(message, { kind: "plotly" });
        listen({ kind: "points" }, []);
        listen({ kind: "plotly" }, [new TextEncoder().encode("plotly")]);
      },
    };
    assert.equal(await (await decompress(SOURCE, model)).text(), "plotly");
    assert.equal(warn.mock.callCount(), 1);
  } finally {
    globalThis.DecompressionStream = DecompressionStream;
    warn.mock.restore();
  }
});
