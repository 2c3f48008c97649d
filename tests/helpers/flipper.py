"""A program that damages a file again and again, and reads it in every way.

Arguments: the recording, the file to damage (itself or its sidecar), how many times, and a seed.
Where it hangs or crashes is told on its standard error. At the end it prints what went wrong, how
often each way of reading refused the file, and by how many bytes its memory grew.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import random
import resource
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

import tickerkit as tk
from tickerkit.errors import TickerkitError
from tickerkit.storage import load
from tickerkit.storage.outline import read_outline
from tickerkit.storage.quick import verify_quickly
from tickerkit.storage.scan import Scan
from tickerkit.storage.verify import verify

__all__ = ["READERS", "peak_bytes"]

# A file of some kilobytes is read in milliseconds.
HANG_S = 60.0
MAX_FAULTS = 5


def scan(path: Path) -> None:
    """Read a recording piece by piece."""
    for piece in Scan(path).pieces():
        len(piece.frame)


def arrow(path: Path) -> None:
    """Read a recording as a data set; what arrow itself can't read is its own error."""
    with contextlib.suppress(pa.ArrowException, OSError):
        tk.dataset(path).to_table()


READERS: dict[str, Callable[[Path], object]] = {
    "scan": scan,
    "load": load,
    "verify": verify,
    "quick": verify_quickly,
    "outline": read_outline,
    "read": tk.read,
    "dataset": arrow,
}


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def damage(data: bytes, chance: random.Random) -> bytes:
    """Return data with one wrong bit; now and then with a wrong byte, or cut off."""
    wrong = bytearray(data)
    place = chance.randrange(len(wrong))
    match chance.randrange(10):
        case 0:
            wrong[place] = chance.randrange(256)
        case 1:
            del wrong[place:]
        case _:
            wrong[place] ^= 1 << chance.randrange(8)
    return bytes(wrong)


def main() -> None:
    """Damage and read."""
    path, target = map(Path, sys.argv[1:3])
    times, seed = map(int, sys.argv[3:])
    warnings.simplefilter("ignore")
    whole, chance = target.read_bytes(), random.Random(seed)
    base, refused, faults = peak_bytes(), Counter[str](), []
    for name, read in READERS.items():
        try:
            read(path)
        except TickerkitError:
            refused[name] += 1
    for number in range(times):
        target.write_bytes(damage(whole, chance))
        for name, read in READERS.items():
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            try:
                read(path)
            except TickerkitError:
                refused[name] += 1
            except Exception:
                faults.append(f"{name}, try {number}: {traceback.format_exc()}")
            faulthandler.cancel_dump_traceback_later()
        if len(faults) >= MAX_FAULTS:
            break
    target.write_bytes(whole)
    print(json.dumps({"faults": faults, "refused": refused, "grew": peak_bytes() - base}))


if __name__ == "__main__":
    main()
