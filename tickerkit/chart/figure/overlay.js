// What a live figure shows on top of Plotly's drawing: the newest values at the right edge, and the
// chip that says that the chart holds still.

const STYLE = `
.tickerkit-figure { position: relative; flex: 1 1 auto; min-width: 0; }
.tickerkit-value { position: absolute; left: 0; top: 0; padding: 0 4px; border-radius: 3px;
  font: 11px/16px "Open Sans", verdana, arial, sans-serif; color: #fff; white-space: nowrap;
  pointer-events: none; will-change: transform; }
.tickerkit-chip { position: absolute; left: 50%; transform: translateX(-50%); z-index: 5;
  padding: 3px 10px; border: 1px solid rgba(128,128,128,.5); border-radius: 12px; cursor: pointer;
  font: 12px/18px "Open Sans", verdana, arial, sans-serif; color: #24292f; background: #fff6d6; }
.tickerkit-chip:hover, .tickerkit-chip:focus-visible { background: #ffe9a3; }
.tickerkit-chip b { font-weight: 600; text-decoration: underline; }
.tickerkit-chip[hidden] { display: none; }`;

/** The chip and the labels of one view. */
export class Overlay {
  constructor(box, onResume) {
    this.box = box;
    this.labels = new Map();
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.chip = document.createElement("button");
    this.chip.type = "button";
    this.chip.className = "tickerkit-chip";
    this.chip.hidden = true;
    this.chip.title = "Follow the newest points again (or double click the chart)";
    this.words = document.createTextNode("");
    const resume = document.createElement("b");
    resume.textContent = "resume";
    this.chip.append(this.words, resume);
    this.chip.addEventListener("click", onResume);
    box.append(style, this.chip);
  }

  /** Say that the chart holds still since some time, below the legend; null: it follows. */
  paused(since, points, top) {
    this.chip.hidden = since === null;
    if (since !== null) {
      this.chip.style.top = `${top + 6}px`;
      const text = `paused at ${since}, ${points.toLocaleString("en-US")} new, `;
      if (this.words.data !== text) this.words.data = text;
    }
  }

  /** Show a label for each {key, text, color, x, y}, in pixels, moved apart where they overlap. */
  values(wanted) {
    const height = 17;
    const placed = [...wanted].sort((one, other) => one.y - other.y);
    for (let index = 1; index < placed.length; index++) {
      placed[index].y = Math.max(placed[index].y, placed[index - 1].y + height);
    }
    const gone = new Set(this.labels.keys());
    for (const { key, text, color, x, y } of placed) {
      gone.delete(key);
      let label = this.labels.get(key);
      if (!label) {
        label = document.createElement("div");
        label.className = "tickerkit-value";
        this.labels.set(key, label);
        this.box.append(label);
      }
      if (label.textContent !== text) {
        label.textContent = text;
        label.room = label.offsetWidth;
      }
      if (label.style.backgroundColor !== color) label.style.backgroundColor = color;
      const left = Math.min(x, this.box.clientWidth - label.room - 1);
      label.style.transform = `translate(${left}px, ${Math.round(y - height / 2)}px)`;
    }
    for (const key of gone) {
      this.labels.get(key).remove();
      this.labels.delete(key);
    }
  }
}
