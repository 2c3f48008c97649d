"""Pieces: a long array of JSON is cut between its elements, wherever brackets and quotes stand."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickerkit.errors import BadTick
from tickerkit.ticks import pieces
from tickerkit.ticks.pieces import PIECE_BYTES, cut_array

ODD = st.text(alphabet='\\"[]{},: ä🙂x', max_size=12)
VALUES = st.recursive(
    ODD | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.lists(VALUES, min_size=1, max_size=30),
    st.booleans(),
    st.sampled_from([None, 1]),
    st.integers(1, 40),
)
def test_pieces_have_the_elements_of_the_whole(
    values: list[object], is_ascii: bool, indent: int | None, size: int
) -> None:
    """Each piece is an array; together they are the whole, however short the blocks are."""
    text = json.dumps(values, ensure_ascii=is_ascii, indent=indent).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", size)
        cut = [json.loads(piece) for piece in cut_array(text)]
    assert [value for piece in cut for value in piece] == values


def test_pieces_are_short() -> None:
    """A piece is about as long as a block, and short text is not cut."""
    rng = random.Random(1)
    values = [{"s": "A", "x": "y" * rng.randrange(300)} for _ in range(10_000)]
    cut = list(cut_array(json.dumps(values).encode()))
    assert len(cut) > 50
    assert max(map(len, cut)) < 2 * PIECE_BYTES
    assert list(cut_array(b"[1, 2]")) == [b"[1, 2]"]


@pytest.mark.parametrize(
    "text", [b"[" + b'"x",' * 10_000, b'["x"]' + b"]" * 20_000, b"[" * 20_000, b"x" * 20_000]
)
def test_invalid_text_is_found_by_the_decoder(text: bytes) -> None:
    """A piece at least is invalid JSON; none is lost."""
    cut = list(cut_array(text))
    with pytest.raises((ValueError, RecursionError)):
        list(map(json.loads, cut))


def test_large_element_is_refused() -> None:
    """Elements before it are yielded first."""
    cut = cut_array(b"[1," + b" " * PIECE_BYTES + b"2," + b"[" * 1_000_000)
    assert json.loads(next(cut)) == [1]
    assert json.loads(next(cut)) == [2]
    with pytest.raises(BadTick, match="256 KiB"):
        next(cut)
