// The page side of a Download: asks for a file, gathers its parts, and gives the browser the file.

const LOOK_EVERY_MS = 2000;
const ASK_AGAIN_MS = 10_000;
const KEEP_MS = 60_000;
const BAR = "rgba(33, 150, 243, .3)";

const amount = (number) => number.toLocaleString("en");

/** One file on its way. */
class Job {
  constructor(send) {
    this.id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    this.send = (content) => send({ job: this.id, ...content });
    this.next = 0; // number of the part that comes next
    this.blobs = []; // one growing text would be copied over and over
    this.lines = 0;
    this.of = null;
    this.heardAt = performance.now();
    this.turn = Promise.resolve();
    this.send({ kind: "want", packed: "DecompressionStream" in globalThis });
  }

  get waits() {
    return performance.now() - this.heardAt > ASK_AGAIN_MS;
  }

  confirm(again = false) {
    this.send({ kind: "next", number: this.next, again });
  }

  /** Take a message; return the file when it is whole. */
  async take(content, buffers) {
    this.heardAt = performance.now();
    if (content.number > this.next) this.confirm(true); // what was between is lost
    if (content.number !== this.next) return null;
    if (content.kind === "part") {
      this.blobs.push(content.packed ? await inflated(buffers[0]) : new Blob([buffers[0]]));
      this.lines = content.lines;
      this.of = content.of;
    }
    this.next++;
    this.confirm();
    if (content.kind !== "end") return null;
    const file = new Blob(this.blobs, { type: "text/csv" });
    if (file.size !== content.bytes) throw new Error("it came damaged");
    return file;
  }
}

function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).blob();
}

function handOver(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), KEEP_MS);
}

/** One Download of a kernel, the same for all of its views. */
class Download {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.job = null;
    this.note = model.get("_job") ? "The page was reloaded: click again." : "";
    model.on("msg:custom", (content, buffers) => this.receive(content, buffers));
    model.on("change:description change:tooltip", () => this.show());
  }

  click() {
    if (this.job) {
      this.job.send({ kind: "cancel" });
      this.end("Cancelled.");
      return;
    }
    this.note = "";
    this.job = new Job((content) => this.model.send(content));
    this.looking = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.show();
  }

  /** Neither a part nor its confirmation is sure to arrive. */
  look() {
    if (!this.job?.waits) return;
    this.show();
    this.job.confirm(true);
  }

  receive(content, buffers) {
    const { job } = this;
    if (!job || content.job !== job.id) return; // another page's
    job.turn = job.turn.then(async () => {
      if (this.job !== job) return;
      if (content.kind === "failed") return this.end(content.words);
      try {
        const file = await job.take(content, buffers);
        if (this.job !== job) return;
        if (!file) return this.show();
        handOver(file, content.name);
        const size = file.size < 1e5 ? `${amount(file.size)} bytes` : `${(file.size / 1e6).toFixed(1)} MB`;
        this.end(`${content.name}, ${size}`);
      } catch (error) {
        job.send({ kind: "cancel" });
        if (this.job === job) this.end(`The file could not be put together (${error.message}): click again.`);
      }
    });
  }

  end(note) {
    clearInterval(this.looking);
    this.job = null;
    this.note = note;
    this.show();
  }

  show() {
    for (const view of this.views) view();
  }

  /** What the button says, how far it is (0 to 1), and what stands beside it. */
  get words() {
    const { job, model } = this;
    if (!job) return [model.get("description"), 0, this.note];
    const part = job.of ? Math.min(job.lines / job.of, 1) : 0;
    const rows = job.of ? `${amount(Math.min(job.lines, job.of))} of ${amount(job.of)}` : amount(job.lines);
    const doing = job.waits ? "waiting for the kernel" : `${rows} rows`;
    return [`Preparing…${job.of ? ` ${Math.floor(part * 100)} %` : ""}`, part, doing];
  }

  view(el) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "jupyter-widgets jupyter-button widget-button";
    button.style.cssText = "width: auto; min-width: 110px; font-variant-numeric: tabular-nums";
    const icon = document.createElement("i");
    icon.setAttribute("aria-hidden", "true");
    const label = document.createElement("span");
    const note = document.createElement("span");
    note.setAttribute("role", "status");
    note.style.cssText = "opacity: .7; margin-left: 6px; font-size: 12px; font-variant-numeric: tabular-nums";
    button.append(icon, label);
    el.append(button, note);
    el.style.cssText += "display: flex; align-items: center; flex-wrap: wrap";
    button.addEventListener("click", () => this.click());
    const draw = () => {
      const [words, part, beside] = this.words;
      label.textContent = words;
      note.textContent = beside;
      icon.className = `fa fa-${this.job ? "times" : "download"}`;
      button.title = this.job ? "cancel" : this.model.get("tooltip");
      const at = `${(part * 100).toFixed(1)}%`;
      button.style.backgroundImage = part ? `linear-gradient(to right, ${BAR} ${at}, transparent ${at})` : "";
    };
    this.views.add(draw);
    draw();
    return () => this.views.delete(draw);
  }
}

export default () => {
  let download;
  return {
    initialize({ model }) {
      download = new Download(model);
    },
    render({ el }) {
      return download.view(el);
    },
  };
};
