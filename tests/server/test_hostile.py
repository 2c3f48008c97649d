"""Fuzzing: every parser of outside input, given a million mutated messages."""

from __future__ import annotations

import random
import sys
from itertools import islice
from pathlib import Path

import pytest
from commands import run_python
from hostile import flood, targets
from mutations import Mutations
from recordings import recordings, wire_texts
from soaks import TIMEOUT_S, share_of, soak

SHARES = {
    # Files cost fifty times as much as messages.
    "read_csv": 0.01,
    **dict.fromkeys(
        ("tickerkit.v1", "/ticks", "/", "Client", "PlainClient", "read_ticks", "requests"),
        0.99 / 7,
    ),
}
FUZZ_S = share_of(600)

many = pytest.mark.parametrize("messages", [2_000, soak(1_000_000)])


@many
@pytest.mark.parametrize("name", SHARES)
def test_mutated_message_is_accepted_or_refused_with_a_named_error(
    name: str, messages: int, tmp_path: Path
) -> None:
    """The next valid message is accepted."""
    target = targets(tmp_path)[name]
    mutations = Mutations(target.seeds, random.Random(f"{name} {messages}"))
    taken, refused = flood(target, mutations, round(messages * SHARES[name]))
    assert taken
    assert refused


@many
@pytest.mark.parametrize("name", ["PlainClient", "read_ticks"])
def test_mutated_venue_frame_is_accepted_or_refused_with_a_named_error(
    name: str, messages: int, tmp_path: Path, recorded: Path
) -> None:
    """The seeds are recorded frames of every venue."""
    frames = [
        text.encode() for path in recordings(recorded) for text in islice(wire_texts(path), 30)
    ]
    target = targets(tmp_path)[name]
    mutations = Mutations([*frames, *target.seeds], random.Random(messages))
    taken, refused = flood(target, mutations, max(messages // 20, 500))
    assert taken
    assert refused


def test_same_seed_gives_the_same_mutations() -> None:
    """A finding of one run occurs in every other run with the same seed."""
    one, other = (Mutations([b'{"a":[1,"b"]}'], random.Random(7)) for _ in range(2))
    messages = [one.next() for _ in range(500)]
    assert messages == [other.next() for _ in range(500)]
    assert len(set(messages)) > 100


@pytest.mark.soak
@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the fuzzer is for Python 3.11")
def test_a_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """A coverage-guided fuzzer finds nothing either.

    It runs for 10 minutes, in CI for one.
    """
    pytest.importorskip("atheris", reason="the fuzzer is not installed: make soak does it")
    script = Path(__file__).parents[1] / "helpers" / "fuzz.py"
    options = f"-max_total_time={FUZZ_S}", "-seed=7"
    run = run_python(script, tmp_path, *options, timeout_s=FUZZ_S + 240)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-6000:]
    assert "DONE" in run.stderr
