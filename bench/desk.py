"""Cost of a dashboard: `python -m bench.desk`, with the group `test` installed.

200 symbols at 1,000 ticks a second, from a server in another process, in a real kernel. Measures
how many messages a second the kernel sends to a page that shows the dashboard, how large they are,
and how much of a core the kernel takes: for the feed alone, with a dashboard that no page shows,
and with one that a page shows.
"""

from __future__ import annotations

import json
import queue
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from kernels import RealKernel, real_kernel

from bench.report import Report, options

SETTLE_S = 3.0
START = """
import time, tickerkit as tk
symbols = ["S%03d" % number for number in range({symbols})]
server = tk.serve(tk.simulate(symbols, rate={rate} / {symbols}), port=0, process=True)
feed = tk.connect(server.url)
_ = feed.wait({rate})
"""
SHOW = "board = feed.dashboard()\n"
# What a page sends that shows it.
HERE = """
board._handle_message(None, {"kind": "here", "page": "bench", "from": 0}, [])
"""
USED = "print(time.process_time())"


def measure(kernel: RealKernel, seconds: float) -> tuple[float, Counter[str], Counter[str]]:
    """Return the kernel's share of a core, and the messages and bytes a second by their kind."""
    time.sleep(SETTLE_S)
    used_s = float(kernel.run(USED))
    began, counts, sizes = time.monotonic(), Counter[str](), Counter[str]()
    while (left_s := began + seconds - time.monotonic()) > 0:
        try:
            message = kernel._client.get_iopub_msg(timeout=left_s)
        except queue.Empty:
            break
        if message["msg_type"] == "comm_msg":
            data = message["content"]["data"]
            kind = data["content"].get("kind", "") if data["method"] == "custom" else "traits"
            counts[kind] += 1
            sizes[kind] += len(json.dumps(data)) + sum(map(len, message["buffers"]))
    took_s = time.monotonic() - began
    used_s = float(kernel.run(USED)) - used_s
    for counter in (counts, sizes):
        for kind in counter:
            counter[kind] = round(counter[kind] / took_s, 2)  # type: ignore[assignment]
    return used_s / took_s, counts, sizes


def main() -> None:
    """Measure, and print a table."""
    chosen = options(
        __doc__,
        repeat=3,
        seconds={"type": float, "default": 10.0, "help": "how long each run is measured"},
        symbols={"type": int, "default": 200, "help": "number of symbols"},
        rate={"type": int, "default": 1000, "help": "ticks a second in all"},
    )
    seconds = 3.0 if chosen.quick else chosen.seconds
    alone, hidden, shown, messages, sizes, rows = [], [], [], [], [], []
    kinds: Counter[str] = Counter()
    for _ in range(chosen.repeat):
        with tempfile.TemporaryDirectory() as folder, real_kernel(Path(folder)) as kernel:
            kernel.run(START.format(symbols=chosen.symbols, rate=chosen.rate))
            alone.append(measure(kernel, seconds)[0])
            kernel.run(SHOW)
            # The figure sends as long as a page may show it; stop its lease to hide it.
            kernel.run("board.figure._streams._lease._until = 0")
            kernel.run("board.figure._streams._lease._idle_since = lambda: 0")
            hidden.append(measure(kernel, seconds)[0])
            kernel.run("board.figure._streams.handle_report({'kind': 'here', 'page': 'bench'})")
            kernel.run(HERE)
            used, kinds, bytes_by_kind = measure(kernel, seconds)
            shown.append(used)
            messages.append(float(sum(kinds.values())))
            sizes.append(sum(bytes_by_kind.values()) / 1000)
            rows.append(bytes_by_kind["rows"] / 1000)
            kernel.run("feed.stop(); server.stop()")
    report = Report("desk", f"{chosen.symbols} symbols at {chosen.rate:,} ticks/s")
    report.figure("kernel, feed alone", alone, "cores")
    report.figure("kernel, dashboard that no page shows", hidden, "cores")
    report.figure("kernel, dashboard that a page shows", shown, "cores", at_most=0.15)
    report.figure("messages to the page", messages, "/s", at_most=20)
    report.figure("to the page in all", sizes, "kB/s")
    report.figure("rows of the watchlist", rows, "kB/s")
    report.note("messages a second by kind: " + ", ".join(f"{k} {n}" for k, n in kinds.items()))
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
