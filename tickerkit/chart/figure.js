// What LiveFigure adds to the page side of plotly's FigureWidget. This text is put after plotly's
// own module, where `View` stands for its FigureView (figure.py finds out under what name).
{
  const { perform_render: render, remove } = View.prototype;
  const answers = Object.getOwnPropertyNames(View.prototype).filter((name) => name.startsWith("do_"));

  // A figure fills the width of its cell, now and whenever that changes. At its first drawing the
  // page does not know the width yet, and plotly takes 700 pixels.
  View.prototype.perform_render = function () {
    // In a row of widgets too it takes the room there is, and no more.
    Object.assign(this.el.style, { flex: "1 1 auto", minWidth: "0" });
    render.call(this);
    this.watch = new ResizeObserver(() => {
      if (this.el.offsetParent && this.el._fullLayout) this.autosizeFigure();
    });
    this.watch.observe(this.el);
  };

  // A view that is gone must answer no more. plotly leaves it listening; it fails at the next
  // message, and its error keeps that message from the view that took its place: a cell that was
  // run again would show a figure that stands still.
  View.prototype.remove = function () {
    for (const name of answers) this[name] = () => {};
    this.watch?.disconnect();
    remove.call(this);
  };
}
