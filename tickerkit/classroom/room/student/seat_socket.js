/**
 * SeatSocket: the student's websocket, opened again whenever it breaks.
 */

/** @import { ClassMessage } from "./messages.d.ts" */

/** "removed": the teacher has closed the connection; only the student opens it again.
 *
 * @typedef {"connecting" | "live" | "reconnecting" | "refused" | "removed"} ConnectionState
 */

/**
 * The functions that a socket calls.
 *
 * @typedef {object} Listener
 * @property {(ticks: Record<string, unknown>[]) => void} onTicks
 * @property {(message: ClassMessage) => void} onMessage
 * @property {() => void} onState
 */

/** The first wait before a new try doubles with each failure, up to the longest wait. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** If a connection has lasted this long, its loss counts as a first failure. */
const STEADY_AFTER_MS = 5_000;
const TICK_MS = 250;
/** After such a silence the page asks for its seat by HTTP, and then every so often: the teacher
 *  may have stalled the wire, a market may pause, and a pulled cable closes nothing. */
const PROBE_AFTER_MS = 6_000;
const PROBE_EVERY_MS = 10_000;
const PROBE_MS = 5_000;

/** The close code of a server that refuses a client, or removes it. */
const POLICY = 1008;

/** What the codes mean that a server closes with. @type {Record<number, string>} */
const REASONS = {
  1001: "the server goes away",
  1012: "the server restarts",
  1013: "the server is busy",
};

/**
 * Return the address of the websocket: in the page's folder, with the code and the seat.
 *
 * @param {{href: string, protocol: string}} page
 * @param {{code: string, name: string, key: string}} seat
 */
export function makeSeatAddress(page, { code, name, key }) {
  const address = new URL(".", page.href);
  address.protocol = page.protocol === "https:" ? "wss:" : "ws:";
  // Not URLSearchParams: it writes a space as "+", which not every server reads as one.
  const query = Object.entries({ token: code, name, key });
  address.search = query.map(([word, value]) => `${word}=${encodeURIComponent(value)}`).join("&");
  return address.href;
}

/**
 * Return the address that describes the seat of a websocket's address.
 *
 * @param {string} address
 */
function makeProbeAddress(address) {
  const { token, name } = Object.fromEntries(new URL(address).searchParams);
  const path = `${encodeURIComponent(token)}/seat?name=${encodeURIComponent(name)}`;
  return new URL(path, address.replace(/^ws/, "http")).href;
}

export class SeatSocket {
  /** @type {ConnectionState} */
  state = "connecting";
  failures = 0; // in a row
  reason = ""; // why the server has closed the last connection, or refuses it

  #listener;
  #address = "";
  /** @type {WebSocket | null} */
  #socket = null;
  #isOpen = false; // something has come on this connection
  #openedAt = 0;
  #receivedAt = 0;
  #probedAt = 0;
  /** When to try again, while the page waits. @type {number | null} */
  #retryAt = null;

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
    setInterval(() => this.#onClock(), TICK_MS);
    // A phone that has its network back, or a page that is shown again, need not wait.
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#retryNow());
  }

  /** The time until the next try, in whole seconds; 0 without one. */
  get waitS() {
    if (this.#retryAt === null) return 0;
    return Math.max(0, Math.ceil((this.#retryAt - performance.now()) / 1000));
  }

  /** How long nothing has come on an open connection, in whole seconds. */
  get silentS() {
    return this.#isOpen ? Math.floor((performance.now() - this.#receivedAt) / 1000) : 0;
  }

  /** Connect to an address, in place of the one before. @param {string} address */
  open(address) {
    this.#address = address;
    this.failures = 0;
    this.reason = "";
    this.#release();
    this.#connect("connecting");
  }

  /** Try again now; also after the teacher has closed the connection. */
  retry() {
    this.failures = 0;
    this.#release();
    this.#connect("connecting");
  }

  /** @param {ConnectionState} state */
  #connect(state) {
    this.#retryAt = null;
    this.#isOpen = false;
    this.#openedAt = this.#receivedAt = performance.now();
    this.#probedAt = -PROBE_EVERY_MS;
    const socket = new WebSocket(this.#address);
    socket.onopen = () => this.#show("live");
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#onLost(event.code, event.reason);
    this.#socket = socket;
    this.#show(state);
  }

  /** Close this connection without waiting for the server, which may be gone. */
  #release() {
    if (this.#socket) {
      this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
      this.#socket = null;
    }
  }

  /**
   * @param {number} code with which the connection has ended
   * @param {string} reason of the server
   */
  #onLost(code, reason) {
    const wasOpen = this.#isOpen;
    this.#socket = null;
    this.#isOpen = false;
    this.reason = reason || (REASONS[code] ?? "");
    if (wasOpen && code === POLICY) {
      this.#show("removed");
      return;
    }
    if (wasOpen && performance.now() - this.#openedAt > STEADY_AFTER_MS) this.failures = 0;
    const isRefused = code === POLICY;
    if (!wasOpen && !isRefused && this.failures > 0) this.#findRefusal();
    const wait = isRefused ? LONGEST_WAIT_MS : this.#chooseWait();
    this.failures += 1;
    this.#retryAt = performance.now() + wait;
    this.#show(isRefused ? "refused" : "reconnecting");
  }

  /** Return a random wait ("full jitter"): the phones of a whole class must not come back in the
   *  same instant. */
  #chooseWait() {
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures);
    return Math.random() * longest;
  }

  /** A browser hides from a page why a websocket was not opened; ask by HTTP. */
  async #findRefusal() {
    try {
      const answer = await fetch(this.#address.replace(/^ws/, "http"), { cache: "no-store" });
      if (answer.ok || this.#isOpen) return;
      this.reason = (await answer.text()).trim().slice(0, 300);
      this.#listener.onState();
    } catch {
      // There is no server: it has refused nothing.
    }
  }

  #retryNow() {
    if (this.#retryAt !== null) this.#connect(this.state);
  }

  #onClock() {
    const now = performance.now();
    if (this.#retryAt !== null && now >= this.#retryAt) {
      this.#connect(this.state);
    } else if (
      this.#socket &&
      now - this.#receivedAt > PROBE_AFTER_MS &&
      now - this.#probedAt > PROBE_EVERY_MS
    ) {
      this.#probedAt = now;
      this.#probe(this.#socket);
    }
    this.#listener.onState(); // one second more of silence, or less to wait
  }

  /** Ask for the seat; end a connection whose server does not answer. @param {WebSocket} socket */
  async #probe(socket) {
    try {
      const signal = AbortSignal.timeout(PROBE_MS);
      const answer = await fetch(makeProbeAddress(this.#address), { cache: "no-store", signal });
      const seat = answer.ok ? readMessage(await answer.text()) : null;
      if (seat && "type" in seat && this.#socket === socket) {
        this.#listener.onMessage(/** @type {ClassMessage} */ (seat));
      }
    } catch {
      if (this.#socket !== socket) return;
      this.#release();
      this.#onLost(1006, "");
    }
  }

  /** @param {ConnectionState} state */
  #show(state) {
    this.state = state;
    this.#listener.onState();
  }

  /** @param {string} text */
  #receive(text) {
    this.#receivedAt = performance.now();
    this.#isOpen = true;
    this.reason = "";
    const data = readMessage(text);
    if (Array.isArray(data)) this.#listener.onTicks(data);
    else if (data) this.#listener.onMessage(data);
  }
}

/**
 * Return what a message has; null for one that is not JSON, which a broken wire may deliver.
 *
 * @param {string} text
 * @returns {Record<string, unknown>[] | ClassMessage | null}
 */
function readMessage(text) {
  try {
    const data = JSON.parse(text);
    return typeof data === "object" ? data : null;
  } catch {
    return null;
  }
}
