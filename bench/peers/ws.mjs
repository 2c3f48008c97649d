// The npm package `ws`: each tick encoded once, and sent to every client in turn.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

// node looks for packages beside this file only; where this one lies is the argument.
const { WebSocketServer } = createRequire(`${process.argv[2]}/`)("ws");

const MOST_UNSENT = 2 ** 18;
const AT_ONCE = 16;

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
let pool = [];
let seq = 0;
let on = false;

function send() {
  if (!on) return;
  for (let count = 0; count < AT_ONCE; count++) {
    const message = JSON.stringify({ ...pool[seq % pool.length], seq: ++seq });
    for (const client of server.clients) client.send(message);
  }
  for (const client of server.clients) {
    if (client.bufferedAmount > MOST_UNSENT) {
      setTimeout(send, 1);
      return;
    }
  }
  setImmediate(send);
}

const does = {
  ticks: (given) => {
    pool = given;
  },
  go: () => {
    on = true;
    send();
  },
  stop: () => {
    on = false;
  },
};

const say = (answer) => process.stdout.write(`${JSON.stringify(answer ?? null)}\n`);
server.on("listening", () => say(server.address().port));
createInterface({ input: process.stdin }).on("line", (line) => {
  const [name, ...given] = JSON.parse(line);
  say(does[name](...given));
});
