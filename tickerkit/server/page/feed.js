/**
 * The feed: one websocket to the server, opened again whenever it breaks.
 *
 * The messages on the wire, each a line of JSON:
 *
 *     server   hello       the server's epoch, its symbols, the ticks that its log holds
 *     page     subscribe   asks for ticks, from a position on
 *     server   ticks       many ticks at once, one array for each column
 *     server   misfits     values that the server has left out; this page shows none of them
 *     server   book        the order book of a symbol; this page shows none
 *     server   at          there is nothing new; the server is still here
 *     server   gap         these ticks will never come
 *     server   end         the source is finished
 *     server   error       a message of the page is invalid
 *     server   notes       clients may send notes
 *     server   note        a text from the server's owner, or from a client
 *     page     note        a text for all clients
 *
 * Every tick has a number, its `seq`, which counts from 1 within an `epoch`: one unbroken run of
 * the server. After a broken connection the page sends both, as in "continue after tick 1000": then
 * nothing is lost and nothing comes twice.
 */

/**
 * A column of text: codes into the epoch's dictionary, and the words that are new in it.
 *
 * @typedef {{codes: number[], from: number, words: string[]}} TextColumn
 *
 * @typedef {(number | null)[]} NumberColumn
 */

/**
 * The messages of the server, as far as this page reads them. `first` is the seq of the oldest tick
 * held, `next` the seq that the next tick will have. `steps` are the differences of the seqs; it is
 * left out if all are 1. The `to` of a gap is null if its end is not known.
 *
 * @typedef {{type: "hello", epoch: string, first: number, next: number, symbols: string[],
 *   units?: Record<string, string>}} Hello
 * @typedef {{type: "ticks", seq: number, count: number, symbol: TextColumn, price: NumberColumn,
 *   steps?: number[], more?: Record<string, NumberColumn | TextColumn>}} Ticks
 * @typedef {{type: "misfits", counts: Record<string, number>}} Misfits
 * @typedef {{type: "book", symbol: string}} Book
 * @typedef {{type: "at", seq: number}} At
 * @typedef {{type: "gap", epoch: string, from: number, to: number | null, reason: string}} Gap
 * @typedef {{type: "end"}} End
 * @typedef {{type: "error", message: string, hint: string}} ServerError
 * @typedef {{type: "note", text: string, from?: string}} Note
 * @typedef {{type: "notes"}} Notes
 * @typedef {Hello | Ticks | Misfits | Book | At | Gap | End | ServerError | Note | Notes
 * } ServerMessage
 */

/**
 * The page's message, apart from notes. Without `resume` the server sends the newest `history`
 * ticks first.
 *
 * @typedef {{type: "subscribe", symbols: null, history: number,
 *   resume: {epoch: string | null, seq: number} | null}} Subscribe
 */

/**
 * A tick as the feed passes it on. `numbers` are the names and values of the other columns, if the
 * tick has no price. `isNew` is false for a tick from before the page connected.
 *
 * @typedef {{symbol: string | undefined, price: number | null | undefined,
 *   bid: number | null | undefined, ask: number | null | undefined, numbers: [string, number][],
 *   isNew: boolean}} Tick
 *
 * @typedef {"connecting" | "live" | "reconnecting" | "ended" | "refused"} StateName
 */

/**
 * The functions that a feed calls.
 *
 * @typedef {object} Listener
 * @property {(tick: Tick) => void} onTick for each tick
 * @property {(name: StateName, wait: number) => void} onState with the seconds until the next try;
 *   0 if the feed does not wait
 * @property {(text: string, forMs?: number) => void} onNote with a note for the user, and for how
 *   long it is shown, if not until the user dismisses it; "" to remove the last note
 * @property {(units: Record<string, string>) => void} onUnits with the unit of each column that
 *   has one
 * @property {(symbols: string[]) => void} onSymbols with the symbols so far, in their order; more
 *   may come with ticks
 * @property {(note: Note) => void} onSaid with a text from the server's owner or a client
 * @property {() => void} onNotes if the page may send notes
 * @property {() => void} onRestart before ticks that don't continue the ticks so far
 */

const PROTOCOL = "tickerkit.v1";

/** How many earlier ticks to ask for, so that the sparklines do not start empty. */
const HISTORY = 2_000;

/** If more ticks than this were missed, the page skips them and shows only the newest. */
const MAX_MISSED = 100_000;

/** The server sends something every few seconds. A silence this long means a dead connection, even
 *  if the browser has not noticed: a pulled cable closes nothing. With `?patience=60` in the page's
 *  address it is 60 s, for a tap that holds messages back. */
const MAX_SILENCE_MS = 9_000;

/** The first wait before a new try, which doubles with each failure; and the longest wait. */
const MIN_WAIT_MS = 500;
const MAX_WAIT_MS = 10_000;

/** If a connection has lasted this long, its loss counts as a first failure. */
const STEADY_MS = 5_000;

const CHECK_EVERY_MS = 250;

/** Columns of numbers that a sensor does not measure: those of quotes, and ids. */
const NOT_MEASURED = new Set(["bid", "ask", "bid_size", "ask_size", "trade_id"]);

/** How much of a refusal's text is shown, in characters. */
const MAX_REASON = 500;

/** After a restart of the server, a note says so for a moment: the user need not do anything. */
const RESTART_NOTE = "The server was started again; prices go on from here.";
const RESTART_NOTE_MS = 10_000;

/** The close codes that a server sends if the page, not the network, is at fault. */
const OUR_FAULT = [1002, 1003, 1007, 1008, 1009];

/** The close code of a server that refuses the page: its token is missing or wrong. */
const REFUSED = 1008;

/**
 * Return the websocket's address, made from the page's: same host, same folder, and same token
 * and patience. No address is fixed in the code, so it is right behind any proxy.
 *
 * @param {{href: string, protocol: string}} page
 */
export function makeSocketAddress(page) {
  const address = new URL(".", page.href);
  address.protocol = page.protocol === "https:" ? "wss:" : "ws:";
  const given = new URL(page.href).searchParams;
  for (const name of ["token", "patience"]) {
    const value = given.get(name);
    if (value) address.searchParams.set(name, value);
  }
  return address.href;
}

/** Connects, and stays connected. */
export class Feed {
  #address;
  #listener;
  #maxSilenceMs;

  /** @type {WebSocket | null} */
  #socket = null;
  #isGreeted = false; // the server has sent its hello on this connection
  #openedAt = 0;
  #receivedAt = 0;

  #failures = 0; // in a row
  /** When to try again, while the feed waits. @type {number | null} */
  #retryAt = null;
  #isEnded = false;
  #isRefused = false;

  // The position in the server's log. It outlives a connection: this makes resuming work.
  /** @type {string | null} */
  #epoch = null;
  /** @type {number | null} */
  #seq = null;
  /** The epoch to resume in, if the server had another one when the page connected again.
   *  @type {string | null} */
  #lostEpoch = null;
  /** The dictionary of this epoch: the symbol of each code. @type {string[]} */
  #symbols = [];
  #newFrom = 0; // ticks from this seq on happened after the page had connected

  /**
   * @param {string} address
   * @param {Listener} listener
   */
  constructor(address, listener) {
    this.#address = address;
    this.#listener = listener;
    const patience = Number(new URL(address).searchParams.get("patience"));
    this.#maxSilenceMs = patience > 0 ? patience * 1000 : MAX_SILENCE_MS;
  }

  start() {
    this.#connect();
    // One clock for all that depends on time: silence, waiting, and the countdown on the page.
    setInterval(() => this.#onClock(), CHECK_EVERY_MS);
    // A phone that has its network back, or a page that is shown again, need not wait.
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#retryNow());
  }

  // ---- connecting, and connecting again

  #connect() {
    this.#retryAt = null;
    this.#isGreeted = false;
    this.#openedAt = this.#receivedAt = performance.now();
    const socket = new WebSocket(this.#address, PROTOCOL);
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#onLost(event.code, event.reason);
    this.#socket = socket;
    this.#showState();
  }

  /** Close this connection without waiting for the server, which may be gone. */
  #abandon() {
    if (this.#socket) {
      this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
    }
    this.#onLost();
  }

  /**
   * @param {number} [code] with which the server has closed the connection
   * @param {string} [reason] of the server
   */
  #onLost(code, reason) {
    if (!this.#isGreeted && code === REFUSED && reason) {
      this.#onRefused(reason);
    } else if (!this.#isGreeted) {
      this.#findReason();
    } else if (performance.now() - this.#openedAt > STEADY_MS) {
      this.#failures = 0;
    }
    this.#isRefused ||= code !== undefined && OUR_FAULT.includes(code);
    this.#socket = null;
    const wait = this.#nextWait();
    this.#failures += 1;
    if (wait === 0) {
      this.#connect();
    } else {
      this.#retryAt = performance.now() + wait;
      this.#showState();
    }
  }

  /**
   * Return how long to wait before the next try.
   *
   * The first try is at once. After that the longest wait doubles with each try, and the actual
   * wait is random ("full jitter"): when a server comes back, the pages of a whole class must not
   * connect in the same instant.
   */
  #nextWait() {
    if (this.#isEnded || this.#isRefused) {
      return MAX_WAIT_MS; // nothing is likely to change soon
    }
    if (this.#failures === 0) {
      return 0;
    }
    return Math.random() * Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** this.#failures);
  }

  #retryNow() {
    if (this.#retryAt !== null) {
      this.#connect();
    }
  }

  #onClock() {
    const now = performance.now();
    if (this.#retryAt === null) {
      if (now - this.#receivedAt > this.#maxSilenceMs) {
        this.#abandon();
      }
    } else if (now >= this.#retryAt) {
      this.#connect();
    } else {
      this.#showState(); // one second less to wait
    }
  }

  /**
   * Find out why the websocket could not be opened: a browser hides the reason from a page. The
   * feed requests the same address by HTTP; a server that refuses the page sends the reason.
   */
  async #findReason() {
    if (this.#failures === 0) {
      return; // the server may just be restarting
    }
    /** @type {Response} */
    let answer;
    /** @type {string} */
    let text;
    try {
      answer = await fetch(this.#address.replace(/^ws/, "http"), { cache: "no-store" });
      text = await answer.text();
    } catch {
      return; // there is no server: it is down, and has refused nothing
    }
    if (this.#isGreeted || answer.redirected) {
      return; // the feed has connected meanwhile; or a login page has answered, not the server
    }
    const limit = answer.headers.get("Tickerkit-Full");
    if (answer.status === 401 || answer.status === 403) {
      this.#onRefused(text.slice(0, MAX_REASON));
    } else if (limit !== null) {
      const count = Number(limit).toLocaleString("en");
      const reason = `The server is full: ${count} are connected. The page tries again by itself.`;
      this.#onRefused(reason);
    } else if (answer.ok) {
      this.#onRefused(
        "The server shows this page but does not accept its websocket. " +
          `If it runs behind a proxy, pass origins=["${location.origin}"] to tk.serve.`,
      );
    }
  }

  /** @param {string} reason */
  #onRefused(reason) {
    this.#isRefused = true;
    this.#listener.onNote(reason);
    this.#showState();
  }

  #showState() {
    const wait = this.#retryAt === null ? 0 : Math.ceil((this.#retryAt - performance.now()) / 1000);
    this.#listener.onState(this.#stateName(), Math.max(0, wait));
  }

  /** @returns {StateName} */
  #stateName() {
    // An ended feed stays "ended" while it connects now and then, to see if a new epoch has begun.
    if (this.#isEnded) return "ended";
    if (this.#isGreeted && this.#socket) return "live";
    if (this.#isRefused) return "refused";
    return this.#failures === 0 ? "connecting" : "reconnecting";
  }

  // ---- the server's messages

  /** @param {string} text */
  #receive(text) {
    this.#receivedAt = performance.now();
    try {
      this.#handle(JSON.parse(text));
    } catch (error) {
      // After a message that can't be read, the position in the log may be wrong: connect again.
      console.error(error);
      this.#listener.onNote("The server sent something that this page does not understand.");
      this.#abandon();
    }
  }

  /** @param {ServerMessage} message */
  #handle(message) {
    switch (message.type) {
      case "hello":
        return this.#onHello(message);
      case "ticks":
        return this.#onTicks(message);
      case "at":
        return this.#moveTo(message.seq);
      case "gap":
        return this.#onGap(message);
      case "end":
        return this.#onEnd();
      case "error":
        return this.#onError(message);
      case "notes":
        return this.#listener.onNotes();
      case "note":
        return this.#listener.onSaid(message);
      // Any other type comes from a server that is newer than this page, and is ignored.
    }
  }

  /** @param {Hello} hello */
  #onHello(hello) {
    if (this.#isRefused) {
      this.#isRefused = false;
      this.#listener.onNote("");
    }
    // A hello in the middle of a connection starts a new epoch; the page is subscribed already.
    if (!this.#isGreeted) {
      this.#isGreeted = true;
      this.#subscribe(hello);
    }
    if (hello.epoch !== this.#epoch) {
      this.#epoch = hello.epoch;
      this.#seq = null;
      this.#isEnded = false;
      this.#listener.onRestart();
    }
    this.#symbols = [...hello.symbols];
    this.#newFrom = hello.next;
    this.#listener.onUnits(hello.units ?? {});
    this.#listener.onSymbols(hello.symbols);
    this.#showState();
  }

  /** @param {Hello} hello */
  #subscribe(hello) {
    const missed = this.#missedSince(hello);
    if (missed > MAX_MISSED) {
      this.#seq = null;
      this.#listener.onRestart();
      const count = missed.toLocaleString("en-US");
      this.#listener.onNote(`Away for ${count} ticks: only the newest are fetched.`);
    }
    this.#lostEpoch = hello.epoch === this.#epoch ? null : this.#epoch;
    // With a known position the page resumes, even if the server has a new epoch by now: the server
    // sends the ticks that it still has, and a gap for the others.
    const resume = this.#seq === null ? null : { epoch: this.#epoch, seq: this.#seq };
    this.#send({ type: "subscribe", symbols: null, resume, history: HISTORY });
  }

  /**
   * Return how many ticks were missed; in another epoch, all that the server holds.
   *
   * @param {Hello} hello
   */
  #missedSince({ epoch, first, next }) {
    if (this.#seq === null) {
      return 0;
    }
    return epoch === this.#epoch ? next - 1 - this.#seq : next - first;
  }

  /** @param {Ticks} message */
  #onTicks(message) {
    const { from, words, codes } = message.symbol;
    for (const [i, word] of words.entries()) {
      this.#symbols[from + i] = word;
    }
    // (The page does not read the times. They count nanoseconds since 1970, which are more than
    // 2**53, and a JavaScript number does not hold such integers exactly.)
    const bids = readNumberColumn(message.more?.bid);
    const asks = readNumberColumn(message.more?.ask);
    const others = Object.entries(message.more ?? {}).filter(([name]) => !NOT_MEASURED.has(name));
    let seq = message.seq;
    for (let i = 0; i < message.count; i += 1) {
      if (i > 0) {
        seq += message.steps ? message.steps[i - 1] : 1;
      }
      if (this.#seq !== null && seq <= this.#seq) {
        continue; // it has come before
      }
      this.#seq = seq;
      this.#isEnded = false;
      this.#listener.onTick({
        symbol: this.#symbols[codes[i]],
        price: message.price[i],
        bid: bids[i],
        ask: asks[i],
        numbers: typeof message.price[i] === "number" ? [] : readNumbers(others, i),
        isNew: seq >= this.#newFrom,
      });
    }
  }

  /** @param {Gap} gap */
  #onGap({ epoch, from, to, reason }) {
    if (epoch === this.#epoch && to !== null) {
      this.#moveTo(to);
    }
    if (epoch === this.#lostEpoch && to === null) {
      this.#lostEpoch = null;
      this.#listener.onNote(RESTART_NOTE, RESTART_NOTE_MS);
      return;
    }
    const which = to === null ? `from ${from} up to now` : `${from} to ${to}`;
    this.#listener.onNote(`Ticks ${which} will never come: ${reason}`);
  }

  #onEnd() {
    this.#isEnded = true;
    this.#showState();
  }

  /** @param {ServerError} error */
  #onError({ message, hint }) {
    this.#listener.onNote([message, hint].filter(Boolean).join(" "));
  }

  /** @param {number} seq */
  #moveTo(seq) {
    this.#seq = Math.max(this.#seq ?? 0, seq);
  }

  /**
   * Send a text to all clients; it comes back as that of any client.
   *
   * @param {string} text
   * @returns {boolean} whether there is a connection
   */
  say(text) {
    if (!this.#isGreeted || this.#socket === null) {
      return false;
    }
    this.#send({ type: "note", text });
    return true;
  }

  /** @param {Subscribe | Note} message */
  #send(message) {
    this.#socket?.send(JSON.stringify(message));
  }
}

/**
 * Return a column of numbers as it is; an empty one if it is left out, or is a column of text.
 *
 * @param {NumberColumn | TextColumn | undefined} column
 */
function readNumberColumn(column) {
  return Array.isArray(column) ? column : [];
}

/**
 * Return the names and values of the numbers that a tick has.
 *
 * @param {[string, NumberColumn | TextColumn][]} columns
 * @param {number} index of the tick
 * @returns {[string, number][]}
 */
function readNumbers(columns, index) {
  const numbers = /** @type {[string, number][]} */ ([]);
  for (const [name, column] of columns) {
    const value = Array.isArray(column) ? column[index] : null;
    if (typeof value === "number") {
      numbers.push([name, value]);
    }
  }
  return numbers;
}
