"""Frame builder: one frame of many pieces, in hardly more memory than the frame itself needs."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["FrameBuilder"]

# An array grows by half, or to somewhat more than the rows that are expected: to grow once more,
# shortly before the end, would need the memory of a column twice. Unused room takes no memory.
GROWTH = 1.5
SPARE = 1.1
# An estimate by the first rows may be far too high: an array grows at most so many times at once.
MAX_GROWTH = 64
# Smaller arrays are copied to free their unused end.
MAX_COPIED_BYTES = 2**22
# With so many categories, codes need the next wider type.
CODE_TYPES = ((2**7 - 2, np.int8), (2**15 - 2, np.int16), (2**31 - 2, np.int32))

Array: TypeAlias = npt.NDArray[Any]


class FrameBuilder:
    """Collects pieces, all with the same columns and types, to one frame.

    A column of integers or of booleans may be nullable in some pieces only, and text may have other
    categories in each. Concatenating all pieces in the end would need their memory twice.

    Attributes:
        rows: how many rows were added.
        size: how many bytes they take.
    """

    def __init__(self) -> None:
        self.rows = self.size = 0
        self._only: pd.DataFrame | None = None
        self._columns: dict[str, _Column] = {}

    def add(self, piece: pd.DataFrame, expected: int = 0) -> None:
        """Add rows; `expected` is how many there will be in all, if that is known."""
        self.rows += len(piece)
        if self._only is None and not self._columns:
            self._only, self.size = piece, int(piece.memory_usage(index=False).sum())
            return
        if (first := self._only) is not None:
            if not len(piece):
                return
            self._columns = {str(name): _column_for(first[name].dtype) for name in first.columns}
            self._only = None
            self._add(first, expected)
        self._add(piece, expected)

    def _add(self, piece: pd.DataFrame, expected: int) -> None:
        self.size = 0
        for name, column in self._columns.items():
            column.add(piece[name], expected)
            self.size += column.size

    def frame(self) -> pd.DataFrame:
        """Return the frame. The builder is empty then."""
        if self._only is not None:
            return self._only
        columns = {}
        for name in list(self._columns):
            columns[name] = self._columns.pop(name).finish()
        return pd.DataFrame(columns, copy=False)


class _Growing:
    """An array that grows."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._data: Array = np.empty(0, dtype=dtype)
        self.rows = 0

    @property
    def size(self) -> int:
        return self.rows * self._data.itemsize

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

    def extend(self, values: Array, expected: int) -> None:
        stop = self.rows + len(values)
        if stop > len(self._data):
            wanted = min(int(SPARE * expected), MAX_GROWTH * stop)
            self._move(max(wanted, int(GROWTH * stop)), self._data.dtype)
        self._data[self.rows : stop] = values
        self.rows = stop

    def widen(self, dtype: npt.DTypeLike) -> None:
        """Continue with a wider type."""
        self._move(len(self._data), dtype)

    def _move(self, capacity: int, dtype: npt.DTypeLike) -> None:
        moved = np.empty(capacity, dtype=dtype)
        moved[: self.rows] = self._data[: self.rows]
        self._data = moved

    def finish(self) -> Array:
        found = self._data[: self.rows]
        return found.copy() if found.nbytes < MAX_COPIED_BYTES else found


class _Numbers:
    """A column of a type of numpy."""

    def __init__(self, dtype: Any) -> None:
        self._values = _Growing(dtype)

    @property
    def size(self) -> int:
        return self._values.size

    def add(self, series: pd.Series[Any], expected: int) -> None:
        self._values.extend(series.to_numpy(), expected)

    def finish(self) -> Any:
        return self._values.finish()


class _Times(_Numbers):
    """A column of times with a zone."""

    def __init__(self, dtype: Any) -> None:
        self._dtype, self._values = dtype, _Growing(np.int64)

    def add(self, series: pd.Series[Any], expected: int) -> None:
        self._values.extend(pd.DatetimeIndex(series).asi8, expected)

    def finish(self) -> Any:
        return pd.array(self._values.finish(), dtype=self._dtype, copy=False)


class _Maskable:
    """A column of integers or booleans, of which some may be missing."""

    def __init__(self, dtype: Any) -> None:
        is_bool = dtype.kind == "b"
        self._type = pd.arrays.BooleanArray if is_bool else pd.arrays.IntegerArray
        self._values = _Growing(getattr(dtype, "numpy_dtype", dtype))
        self._mask: _Growing | None = None

    @property
    def size(self) -> int:
        return self._values.size + (0 if self._mask is None else self._mask.size)

    def add(self, series: pd.Series[Any], expected: int) -> None:
        is_nullable = not isinstance(series.dtype, np.dtype)
        if is_nullable and self._mask is None:
            self._mask = _Growing(np.bool_)
            self._mask.extend(np.zeros(self._values.rows, dtype=np.bool_), expected)
        if self._mask is not None:
            self._mask.extend(series.isna().to_numpy(), expected)
        dtype = self._values.dtype
        values = series.to_numpy(dtype, na_value=0) if is_nullable else series.to_numpy()
        self._values.extend(values, expected)

    def finish(self) -> Any:
        values = self._values.finish()
        return values if self._mask is None else self._type(values, self._mask.finish())


class _Text:
    """A column of categories: those of all pieces, in the order of the pieces."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype
        self._codes = _Growing(np.int8)
        self._places: dict[Any, int] = {}
        # The newest type, and the code of each of its categories.
        self._known: Any = None
        self._translation: Array | None = None

    @property
    def size(self) -> int:
        return self._codes.size

    def add(self, series: pd.Series[Any], expected: int) -> None:
        if series.dtype is not self._known:
            self._know(series.dtype)
        codes = series.cat.codes.to_numpy()
        if self._translation is not None:
            codes = self._translation[codes]
        self._codes.extend(codes, expected)

    def _know(self, dtype: Any) -> None:
        places = self._places
        words = dtype.categories.tolist()
        found = [places.setdefault(word, len(places)) for word in words]
        kind = next(kind for count, kind in CODE_TYPES if len(places) <= count)
        if kind != self._codes.dtype:
            self._codes.widen(kind)
        self._known = dtype
        # Code -1, for a missing text, takes the last one.
        is_same = found == list(range(len(found)))
        self._translation = None if is_same else np.array([*found, -1], dtype=kind)

    def finish(self) -> Any:
        index = pd.Index(list(self._places), dtype=self._dtype.categories.dtype)
        dtype = pd.CategoricalDtype(index, self._dtype.ordered)
        return pd.Categorical.from_codes(self._codes.finish(), dtype=dtype)


class _Others:
    """A column of any other type."""

    def __init__(self) -> None:
        self._parts: list[pd.Series[Any]] = []
        self.size = 0

    def add(self, series: pd.Series[Any], expected: int) -> None:
        self._parts.append(series)
        self.size += int(series.memory_usage(index=False))

    def finish(self) -> Any:
        return pd.concat(self._parts, ignore_index=True).array


_Column: TypeAlias = _Numbers | _Maskable | _Text | _Others


def _column_for(dtype: Any) -> _Column:
    if isinstance(dtype, pd.CategoricalDtype):
        return _Text(dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _Times(dtype)
    is_numpy = isinstance(dtype, np.dtype)
    if dtype.kind in "iub" and (is_numpy or hasattr(dtype, "numpy_dtype")):
        return _Maskable(dtype)
    return _Numbers(dtype) if is_numpy and dtype.kind in "fmM" else _Others()
