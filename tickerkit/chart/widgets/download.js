/**
 * Download: the page's side of the widget. It asks for a file, collects its parts, and has the
 * browser save the file.
 */

/** @import { DownloadMessage, DownloadRequest } from "../messages.d.ts" */
/** @import { Model } from "../figure/types.d.ts" */

/** How often to check whether a message was lost. */
const CHECK_EVERY_MS = 2000;
/** How long a part may take until it is asked for again. */
const ASK_AGAIN_MS = 10_000;
/** How long the browser may take to save the file. */
const KEEP_FILE_MS = 60_000;
const BAR_COLOR = "rgba(33, 150, 243, .3)";

/** @param {number} number */
const formatCount = (number) => number.toLocaleString("en");

/** @param {number} bytes */
const formatSize = (bytes) =>
  bytes < 1e5 ? `${formatCount(bytes)} bytes` : `${(bytes / 1e6).toFixed(1)} MB`;

/** One file, from the first request until it is complete. */
class Job {
  id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  /** How many lines have come. */
  lines = 0;
  /** How many lines there will be, as far as known. @type {number | null} */
  totalLines = null;

  #send;
  #next = 0; // the number of the next part
  /** @type {Blob[]} */
  #blobs = []; // one growing text would be copied over and over
  #receivedAt = performance.now();
  /** Resolves when all messages so far are handled. @type {Promise<void>} */
  #queue = Promise.resolve();

  /** @param {(message: DownloadRequest) => void} send */
  constructor(send) {
    this.#send = send;
    send({ job: this.id, kind: "want", compressed: "DecompressionStream" in globalThis });
  }

  /** Whether the next part takes long: it may be lost. */
  get isWaiting() {
    return performance.now() - this.#receivedAt > ASK_AGAIN_MS;
  }

  confirm(again = false) {
    this.#send({ job: this.id, kind: "next", number: this.#next, again });
  }

  cancel() {
    this.#send({ job: this.id, kind: "cancel" });
  }

  /**
   * Handle one message after the other.
   *
   * @param {() => Promise<void>} action
   */
  run(action) {
    this.#queue = this.#queue.then(action);
  }

  /**
   * Take a message; return the file when it is complete, otherwise null.
   *
   * @param {Exclude<DownloadMessage, {kind: "failed"}>} message
   * @param {ArrayBufferView<ArrayBuffer>[]} buffers
   */
  async receive(message, buffers) {
    this.#receivedAt = performance.now();
    if (message.number > this.#next) this.confirm(true); // the parts before it are lost
    if (message.number !== this.#next) return null;
    if (message.kind === "part") {
      const [bytes] = buffers;
      this.#blobs.push(message.compressed ? await decompress(bytes) : new Blob([bytes]));
      this.lines = message.lines;
      this.totalLines = message.total_lines;
    }
    this.#next++;
    this.confirm();
    if (message.kind !== "end") return null;
    const file = new Blob(this.#blobs, { type: "text/csv" });
    if (file.size !== message.bytes) throw new Error("it arrived damaged");
    return file;
  }
}

/** @param {ArrayBufferView<ArrayBuffer>} bytes */
function decompress(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).blob();
}

/**
 * Have the browser save a file.
 *
 * @param {Blob} file
 * @param {string} name
 */
function saveFile(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), KEEP_FILE_MS);
}

/** One Download of a kernel, shared by all of its views. */
class Download {
  #model;
  /** Each draws one view. @type {Set<() => void>} */
  #views = new Set();
  /** @type {Job | null} */
  #job = null;
  #note;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @param {Model} model */
  constructor(model) {
    this.#model = model;
    this.#note = model.get("_job") ? "The page was reloaded: click again." : "";
    model.on("msg:custom", (content, buffers) => this.#receive(content, buffers));
    model.on("change:description change:tooltip", () => this.#draw());
  }

  #onClick() {
    if (this.#job) {
      this.#job.cancel();
      this.#end("Cancelled.");
      return;
    }
    this.#note = "";
    this.#job = new Job((message) => this.#model.send(message));
    this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
    this.#draw();
  }

  /** Ask again for a part that takes long: the part or its confirmation may be lost. */
  #check() {
    if (!this.#job?.isWaiting) return;
    this.#draw();
    this.#job.confirm(true);
  }

  /**
   * @param {DownloadMessage} message
   * @param {ArrayBufferView<ArrayBuffer>[]} buffers
   */
  #receive(message, buffers) {
    const job = this.#job;
    if (!job || message.job !== job.id) return; // it is for another page
    job.run(async () => {
      if (this.#job !== job) return;
      if (message.kind === "failed") {
        this.#end(message.reason);
        return;
      }
      try {
        const file = await job.receive(message, buffers);
        if (this.#job !== job) return;
        if (file && message.kind === "end") {
          saveFile(file, message.name);
          this.#end(`${message.name}, ${formatSize(file.size)}`);
        } else {
          this.#draw();
        }
      } catch (error) {
        job.cancel();
        const reason = /** @type {Error} */ (error).message;
        const note = `The file could not be put together (${reason}): click again.`;
        if (this.#job === job) this.#end(note);
      }
    });
  }

  /** @param {string} note */
  #end(note) {
    clearInterval(this.#timer);
    this.#job = null;
    this.#note = note;
    this.#draw();
  }

  #draw() {
    for (const draw of this.#views) draw();
  }

  /** Return the text on the button, the progress (0 to 1), and the text beside the button. */
  #describe() {
    const job = this.#job;
    if (!job) return { text: this.#model.get("description"), progress: 0, note: this.#note };
    const { lines, totalLines } = job;
    const progress = totalLines ? Math.min(lines / totalLines, 1) : 0;
    const rows = totalLines
      ? `${formatCount(Math.min(lines, totalLines))} of ${formatCount(totalLines)}`
      : formatCount(lines);
    return {
      text: `Preparing…${totalLines ? ` ${Math.floor(progress * 100)} %` : ""}`,
      progress,
      note: job.isWaiting ? "waiting for the kernel" : `${rows} rows`,
    };
  }

  /**
   * Show the button in an element; return a function that stops updating it.
   *
   * @param {HTMLElement} el
   */
  show(el) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "jupyter-widgets jupyter-button widget-button";
    button.style.cssText = "width: auto; min-width: 110px; font-variant-numeric: tabular-nums";
    const icon = document.createElement("i");
    icon.setAttribute("aria-hidden", "true");
    const label = document.createElement("span");
    const status = document.createElement("span");
    status.setAttribute("role", "status");
    status.style.cssText =
      "opacity: .7; margin-left: 6px; font-size: 12px; font-variant-numeric: tabular-nums";
    button.append(icon, label);
    el.append(button, status);
    el.style.cssText += "display: flex; align-items: center; flex-wrap: wrap";
    button.addEventListener("click", () => this.#onClick());
    const draw = () => {
      const { text, progress, note } = this.#describe();
      label.textContent = text;
      status.textContent = note;
      icon.className = `fa fa-${this.#job ? "times" : "download"}`;
      button.title = this.#job ? "cancel" : this.#model.get("tooltip");
      button.style.backgroundImage = renderProgressBar(progress);
    };
    this.#views.add(draw);
    draw();
    return () => this.#views.delete(draw);
  }
}

/** @param {number} progress */
function renderProgressBar(progress) {
  if (!progress) return "";
  const end = `${(progress * 100).toFixed(1)}%`;
  return `linear-gradient(to right, ${BAR_COLOR} ${end}, transparent ${end})`;
}

export default () => {
  /** @type {Download} */
  let download;
  return {
    /** @param {{model: Model}} props */
    initialize({ model }) {
      download = new Download(model);
    },
    /** @param {{el: HTMLElement}} props */
    render({ el }) {
      return download.show(el);
    },
  };
};
