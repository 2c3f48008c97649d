"""Fuzz every parser of outside input, guided by coverage: `python fuzz.py FOLDER [options]`.

The options are those of libFuzzer; a file among them is the only input that is run. The fuzzer
writes to FOLDER: the corpus, and each input that crashed. The first byte of an input is the number
of the target, and the rest is the message.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tickerkit"]):
    from hostile import Target, targets

WORKS_EVERY = 50


def fuzz(folder: Path, options: list[str]) -> None:
    """Run the fuzzer, which ends the process when it is done."""
    (corpus := folder / "corpus").mkdir(exist_ok=True)
    parsers: list[Target] = list(targets(folder).values())
    for number, target in enumerate(parsers):
        for which, seed in enumerate(target.seeds):
            (corpus / f"{number}-{which}").write_bytes(bytes([number]) + seed)
    warnings.simplefilter("error")  # as in the tests
    count = 0

    def one_input(data: bytes) -> None:
        nonlocal count
        count += 1
        target = parsers[data[0] % len(parsers) if data else 0]
        target.take(data[1:])
        if count % WORKS_EVERY == 0:
            target.works()

    # Memory may grow until the log and the corpus are full. A message must not take over 20 s.
    arguments = [f"-artifact_prefix={folder}/", "-timeout=20", "-max_len=4096", *options]
    again = any(Path(each).is_file() for each in options)
    atheris.Setup([sys.argv[0], *arguments, *([] if again else [str(corpus)])], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(Path(sys.argv[1]), sys.argv[2:])
