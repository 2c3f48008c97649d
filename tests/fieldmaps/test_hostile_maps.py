"""Mutated field maps: each is refused with a named error, or reads messages without a crash."""

from __future__ import annotations

import json
import random
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from mutations import Mutations
from soaks import soak
from venue_rows import rows_of

from tickerkit.errors import BadTick, FieldMapError, InvalidArgument
from tickerkit.fieldmaps import FieldMap, FieldReader, parse_fields
from tickerkit.sources.websocket import load_fields

SHORT = [
    {"rows": "data[]", "symbol": "s", "price": "p", "size": "v", "time": "T:ms"},
    {"when": {"type": "trade"}, "symbol": "sym", "price": "[1]", "units": {"price": "€"}},
    [
        {
            "symbol": {"from": "topic", "after": "."},
            "t": "d.t:0.001s",
            "old": "first frame per symbol",
        }
    ],
    {
        "symbol": {"value": "A"},
        "side": {"from": "m", "buy": True, "sell": False},
        "price": "/a.b[0]",
    },
    {"merge": True, "symbol": "s", "bid": {"from": "b", "zero": "none"}, "x": {"map": {"a": 1}}},
]
MESSAGES = [
    {"data": [{"s": "A", "p": "1.5", "v": 2, "T": 1723161255342}, {"s": "B", "p": 3}]},
    {"type": "trade", "sym": "A", "topic": "t.A", "d": {"t": 5}, "s": "A", "b": 1, "a": "a"},
    ["A", 1.5, {"s": "A"}, [1, 2]],
    {"m": True, "a": {"b": [7]}, "s": "S", "x": 10**30},
]


def tables() -> list[Any]:
    """Return the field maps of all presets, and short ones."""
    found: list[Any] = [*SHORT]
    for path in files("tickerkit.presets.files").iterdir():
        if path.name.endswith(".toml"):
            preset = tomllib.loads(path.read_text("utf-8"))
            found += [read["fields"] for socket in preset["socket"] for read in socket["reads"]]
            found += [preset["backfill"]["fields"]] if "backfill" in preset else []
    return found


def documented() -> list[bytes]:
    """Return the documented messages of all venues, and some others."""
    folder = Path(__file__).parents[1] / "presets" / "documented"
    cases = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    messages = [*MESSAGES, *(each["message"] for case in cases for each in case["reads"])]
    return [json.dumps(each).encode() for each in messages]


def take(fields: FieldMap, messages: list[bytes]) -> None:
    """Read messages both ways, and check that they are read the same."""
    found = []
    for typed in (True, False):
        taken = FieldReader(fields, typed=typed).read(messages)
        errors = [error for batch in taken.batches for error in batch.errors]
        assert all(isinstance(error, BadTick) for error in errors)
        found.append(rows_of(taken.batches))
    assert found[0] == found[1]


@pytest.mark.parametrize("count", [700, soak(50_000)])
def test_mutated_map_is_refused_by_name_or_reads(count: int) -> None:
    """The error is a FieldMapError that names the entry; a map without an error reads messages."""
    rng, messages = random.Random(count), documented()
    mutations = Mutations([json.dumps(each).encode() for each in tables()], rng)
    taken = refused = 0
    for number in range(count):
        data = mutations.next()
        try:
            table = json.loads(data)
        except (ValueError, RecursionError):
            continue
        try:
            take(parse_fields(table), rng.sample(messages, 4))
            taken += 1
        except FieldMapError as error:
            refused += bool(str(error))
        except Exception as error:
            raise AssertionError(f"map {number}: {data[:1000]!r}") from error
    assert taken > count / 20
    assert refused > count / 20


@pytest.mark.parametrize("count", [200, soak(5_000)])
def test_mutated_toml_file_is_refused_by_name_or_reads(count: int, tmp_path: Path) -> None:
    """Also where it is not TOML, not UTF-8, or has no map."""
    rng, messages = random.Random(count), documented()
    seeds = [b'symbol = "s"\nprice = "data.p"\n[when]\n"/type" = "trade"\n']
    seeds += [b'[[reads]]\nrows = "data[]"\nsymbol = "s"\ntime = "T:ms"\nprice = { from = "p" }\n']
    mutations, path = Mutations(seeds, rng), tmp_path / "fields.toml"
    refused = 0
    for number in range(count):
        path.write_bytes(data := mutations.next())
        try:
            take(load_fields(path), rng.sample(messages, 2))
        except (FieldMapError, InvalidArgument) as error:
            refused += bool(str(error))
        except Exception as error:
            raise AssertionError(f"file {number}: {data[:1000]!r}") from error
    assert refused > count / 20
