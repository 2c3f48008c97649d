/**
 * The feed: one websocket to the server, opened again whenever it breaks.
 *
 * The talk on the wire goes like this, each message a line of JSON:
 *
 *     server   hello       who I am: my epoch, my symbols, how far my log goes
 *     page     subscribe   send me everything, from here
 *     server   ticks       many ticks at once, one array for each column
 *     server   at          nothing new; I am still here
 *     server   gap         these ticks will never come
 *     server   end         the source is finished
 *     server   error       something is wrong with what you sent
 *
 * Every tick has a number, its `seq`, that counts from 1 within an `epoch`: one
 * unbroken run of the server. Who remembers both can come back after a broken
 * connection and say "go on after tick 1000": nothing is lost, nothing comes twice.
 */

const PROTOCOL = "tickerkit.v1";

/** Ticks from before now that we ask for, so that the sparklines do not start empty. */
const HISTORY = 2_000;

/** Who missed more than this skips it: a page shows the present, not a night's worth of ticks. */
const FAR_BEHIND = 100_000;

// All times are in milliseconds.

/** The server sends something every few seconds. A silence this long means a dead connection,
 *  even if the browser has not noticed: a pulled cable closes nothing. */
const SILENCE = 9_000;

/** We never wait longer than this before we try again. */
const LONGEST_WAIT = 10_000;

/** A connection that lived this long was a good one: its loss counts as a first failure. */
const STEADY = 5_000;

/** Close codes with which a server says that we, not the network, are at fault. */
const OUR_FAULT = [1002, 1003, 1007, 1008, 1009];

/**
 * The websocket's address, made from the page's: same host, same folder, and the same token.
 * Nothing is written down here, so it is right behind any proxy.
 */
export function socketAddress(page) {
  const address = new URL(".", page.href);
  address.protocol = page.protocol === "https:" ? "wss:" : "ws:";
  const token = new URL(page.href).searchParams.get("token");
  if (token) {
    address.searchParams.set("token", token);
  }
  return address.href;
}

/**
 * Connects, and stays connected. It calls back:
 *
 *     onTick(tick)           for each tick: {symbol, price, bid, ask, isNew}
 *     onState(name, wait)    "connecting", "live", "reconnecting", "ended" or "refused", and the
 *                            seconds until the next try (0: not waiting)
 *     onNote(text)           something that a person should know ("": no longer)
 *     onSymbols(symbols)     the symbols that there are, in their order; more may come with ticks
 *     onRestart()            what comes next does not continue what came before
 */
export class Feed {
  #address;
  #listener;

  #socket = null;
  #isGreeted = false; // has the server said hello on this connection?
  #openedAt = 0;
  #heardAt = 0;

  #failures = 0; // in a row
  #retryAt = null; // when to try again, while we wait
  #isEnded = false;
  #isRefused = false;

  // Where we are in the server's log. This outlives a connection: it is what makes resuming work.
  #epoch = null;
  #seq = null;
  #symbols = []; // the dictionary: what each code stands for, in this epoch
  #newFrom = 0; // ticks from this seq on happened after we had connected

  constructor(address, listener) {
    this.#address = address;
    this.#listener = listener;
  }

  start() {
    this.#connect();
    // One clock for all that depends on time: silence, waiting, and the countdown on the page.
    setInterval(() => this.#lookAtTheClock(), 250);
    // A phone that has its network back, or a page that is looked at again, need not wait.
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  // ---- connecting, and connecting again

  #connect() {
    this.#retryAt = null;
    this.#isGreeted = false;
    this.#openedAt = this.#heardAt = performance.now();
    const socket = new WebSocket(this.#address, PROTOCOL);
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code);
    this.#socket = socket;
    this.#showState();
  }

  /** Leave this connection without waiting for the other side, which may be long gone. */
  #abandon() {
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#lost();
  }

  #lost(code) {
    if (!this.#isGreeted) {
      this.#askWhy();
    } else if (performance.now() - this.#openedAt > STEADY) {
      this.#failures = 0;
    }
    this.#isRefused ||= OUR_FAULT.includes(code);
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
   * The first try is at once. After that each may wait twice as long as the one before, and how
   * long it really waits is drawn at random ("full jitter"): when a server comes back, a whole
   * class must not fall upon it in the same instant, again and again.
   */
  #nextWait() {
    if (this.#isEnded || this.#isRefused) {
      return LONGEST_WAIT; // nothing is likely to change soon
    }
    if (this.#failures === 0) {
      return 0;
    }
    return Math.random() * Math.min(LONGEST_WAIT, 500 * 2 ** this.#failures);
  }

  #hurry() {
    if (this.#retryAt !== null) {
      this.#connect();
    }
  }

  #lookAtTheClock() {
    const now = performance.now();
    if (this.#retryAt === null) {
      if (now - this.#heardAt > SILENCE) {
        this.#abandon();
      }
    } else if (now >= this.#retryAt) {
      this.#connect();
    } else {
      this.#showState(); // one second less to wait
    }
  }

  /**
   * A browser does not tell a page why its websocket could not be opened. So we ask for the same
   * address as an ordinary page: a server that does not want us says so there, in words.
   */
  async #askWhy() {
    if (this.#failures === 0) {
      return; // it may just be restarting
    }
    let answer, text;
    try {
      answer = await fetch(this.#address.replace(/^ws/, "http"), { cache: "no-store" });
      text = await answer.text();
    } catch {
      return; // nobody there: not refused, just not up
    }
    if (this.#isGreeted || answer.redirected) {
      return; // it has worked meanwhile; or some login page answered in its place
    }
    if (answer.status === 401 || answer.status === 403) {
      this.#refused(text.slice(0, 500));
    } else if (answer.headers.has("Tickerkit-Full")) {
      const most = Number(answer.headers.get("Tickerkit-Full")).toLocaleString("en");
      this.#refused(`The server is full: ${most} are connected. The page tries again by itself.`);
    } else if (answer.ok) {
      this.#refused(
        "The server shows this page but does not accept its websocket. If it runs behind a proxy, " +
        `it may have to be told: origins=["${location.origin}"].`,
      );
    }
  }

  #refused(why) {
    this.#isRefused = true;
    this.#listener.onNote(why);
    this.#showState();
  }

  #showState() {
    const wait = this.#retryAt === null ? 0 : Math.ceil((this.#retryAt - performance.now()) / 1000);
    this.#listener.onState(this.#stateName(), Math.max(0, wait));
  }

  #stateName() {
    // What has ended stays "ended" while we look, now and then, whether something new has begun.
    if (this.#isEnded) return "ended";
    if (this.#isGreeted && this.#socket) return "live";
    if (this.#isRefused) return "refused";
    return this.#failures === 0 ? "connecting" : "reconnecting";
  }

  // ---- what the server says

  #receive(text) {
    this.#heardAt = performance.now();
    try {
      this.#understand(JSON.parse(text));
    } catch (error) {
      // After a message that makes no sense we can't know where we are. A new start is honest.
      console.error(error);
      this.#listener.onNote("The server sent something that this page does not understand.");
      this.#abandon();
    }
  }

  #understand(message) {
    switch (message.type) {
      case "hello": return this.#onHello(message);
      case "ticks": return this.#onTicks(message);
      case "at": return this.#moveTo(message.seq);
      case "gap": return this.#onGap(message);
      case "end": return this.#onEnd();
      case "error": return this.#onError(message);
      // Any other type is from a server newer than this page: not for us.
    }
  }

  #onHello(hello) {
    if (this.#isRefused) {
      this.#isRefused = false;
      this.#listener.onNote("");
    }
    // A hello in the middle of a connection tells of a new epoch: we are subscribed already.
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
    this.#listener.onSymbols(hello.symbols);
    this.#showState();
  }

  #subscribe(hello) {
    const missed = this.#missedSince(hello);
    if (missed > FAR_BEHIND) {
      this.#seq = null;
      this.#listener.onRestart();
      this.#listener.onNote(`Away for ${missed.toLocaleString("en-US")} ticks: only the newest are fetched.`);
    }
    // Do we know where we were? Then go on from there, even if the epoch is another by now: it is
    // for the server to know what it still has, and to say what is lost.
    const resume = this.#seq === null ? null : { epoch: this.#epoch, seq: this.#seq };
    this.#send({ type: "subscribe", symbols: null, resume, history: HISTORY });
  }

  /** How many ticks there are that we do not have; of another epoch, all that the server holds. */
  #missedSince({ epoch, first, next }) {
    if (this.#seq === null) {
      return 0;
    }
    return epoch === this.#epoch ? next - 1 - this.#seq : next - first;
  }

  #onTicks(message) {
    const { from, words, codes } = message.symbol;
    words.forEach((word, i) => {
      this.#symbols[from + i] = word;
    });
    // (The times are in nanoseconds, more than a JavaScript number holds exactly: since 1970 there
    // have been more of them than 2**53. This page shows no times and can leave them alone.)
    const bids = numbersOf(message.more?.bid);
    const asks = numbersOf(message.more?.ask);
    let seq = message.seq;
    for (let i = 0; i < message.count; i += 1) {
      if (i > 0) {
        seq += message.steps ? message.steps[i - 1] : 1;
      }
      if (this.#seq !== null && seq <= this.#seq) {
        continue; // we have that one
      }
      this.#seq = seq;
      this.#isEnded = false;
      this.#listener.onTick({
        symbol: this.#symbols[codes[i]],
        price: message.price[i],
        bid: bids[i],
        ask: asks[i],
        isNew: seq >= this.#newFrom,
      });
    }
  }

  #onGap({ epoch, from, to, reason }) {
    if (epoch === this.#epoch && to !== null) {
      this.#moveTo(to);
    }
    const which = to === null ? `from ${from} up to now` : `${from} to ${to}`;
    this.#listener.onNote(`Ticks ${which} will never come: ${reason}`);
  }

  #onEnd() {
    this.#isEnded = true;
    this.#showState();
  }

  #onError({ message, hint }) {
    this.#listener.onNote([message, hint].filter(Boolean).join(" "));
  }

  #moveTo(seq) {
    this.#seq = Math.max(this.#seq ?? 0, seq);
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }
}

/** A column of numbers as it is; none if it is left out, or is a column of words. */
function numbersOf(column) {
  return Array.isArray(column) ? column : [];
}
