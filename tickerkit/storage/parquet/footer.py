"""Footers: the metadata at the end of a Parquet file, taken apart and put together.

A library writes a footer only for a whole file. A file that grows needs one that lists the row
groups of earlier writes as well. So each row group's metadata stays the bytes that the library
wrote, moved to where the row group lies now; only the list of row groups is put together here.

The bytes are Thrift's compact protocol, of which a footer needs few types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO, NamedTuple

__all__ = ["MAGIC", "Footer", "join_footer", "read_footer"]

MAGIC = b"PAR1"
# The types of fields and elements.
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
INTEGERS = {I16, I32, I64}
# The fields of a file's metadata.
SCHEMA, NUM_ROWS, ROW_GROUPS = 2, 3, 4
# The fields of a row group; of a chunk, a column of it; and of a chunk's metadata.
CHUNKS, GROUP_ROWS, GROUP_OFFSET, ORDINAL = 1, 3, 5, 7
CHUNK_OFFSETS, CHUNK_METADATA = {2, 4, 6}, 3
DATA_OFFSETS = {9, 10, 11, 14}


class _Field(NamedTuple):
    """A field of a struct: its number, its type, and its value as it is written."""

    number: int
    kind: int
    value: bytes


class Footer(NamedTuple):
    """The footer of a file.

    Attributes:
        start: where it begins: the size of what is before it.
        fields: the fields of the file's metadata, but for the row groups.
        groups: the metadata of each row group.
        rows: how many rows the file has.
    """

    start: int
    fields: list[_Field]
    groups: list[bytes]
    rows: int

    @property
    def schema(self) -> bytes:
        """The columns, as they are written; equal bytes stand for equal columns."""
        return next(field.value for field in self.fields if field.number == SCHEMA)

    def moved_groups(self, by: int) -> list[bytes]:
        """Return the metadata of each row group after its bytes were moved by some bytes."""
        return [_move_group(group, by) for group in self.groups]


def read_footer(file: BinaryIO) -> Footer:
    """Read the footer of a file.

    Raises:
        ValueError: the file has none.
    """
    size = file.seek(0, 2)
    file.seek(max(size - 8, 0))
    tail = file.read(8)
    start = size - 8 - int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or start < len(MAGIC):
        raise ValueError("it has no footer of a Parquet file")
    file.seek(start)
    data = file.read(size - 8 - start)
    try:
        fields, _ = _read_struct(data, 0)
        groups = b"".join(field.value for field in fields if field.number == ROW_GROUPS)
        rows = next(_zigzag(field.value)[0] for field in fields if field.number == NUM_ROWS)
        kept = [field for field in fields if field.number != ROW_GROUPS]
        return Footer(start, kept, _split_list(groups) if groups else [], rows)
    except (IndexError, StopIteration):
        raise ValueError("its footer is damaged") from None


def join_footer(like: Footer, groups: Iterable[bytes], rows: int) -> bytes:
    """Return a footer with the columns and the texts of another one, and these row groups."""
    fields = [field for field in like.fields if field.number != NUM_ROWS]
    fields.append(_Field(NUM_ROWS, I64, _encode_zigzag(rows)))
    fields.append(_Field(ROW_GROUPS, LIST, _join_list(list(groups))))
    data = _join_struct(sorted(fields))
    return data + len(data).to_bytes(4, "little") + MAGIC


def group_rows(group: bytes) -> int:
    """Return how many rows a row group has."""
    fields, _ = _read_struct(group, 0)
    return next(_zigzag(field.value)[0] for field in fields if field.number == GROUP_ROWS)


def _move_group(group: bytes, by: int) -> bytes:
    # The number of a row group is optional, and has 16 bits only.
    fields = [field for field in _read_struct(group, 0)[0] if field.number != ORDINAL]
    add = _adding(by)
    return _join_struct(_changed(fields, {CHUNKS: _moving_chunks(by), GROUP_OFFSET: add}))


def _moving_chunks(by: int) -> Callable[[bytes], bytes]:
    add = _adding(by)
    inner = dict.fromkeys(DATA_OFFSETS, add)

    def move_metadata(value: bytes) -> bytes:
        return _join_struct(_changed(_read_struct(value, 0)[0], inner))

    changes = {**dict.fromkeys(CHUNK_OFFSETS, add), CHUNK_METADATA: move_metadata}

    def move(value: bytes) -> bytes:
        chunks = [_changed(_read_struct(each, 0)[0], changes) for each in _split_list(value)]
        return _join_list([_join_struct(chunk) for chunk in chunks])

    return move


def _adding(count: int) -> Callable[[bytes], bytes]:
    def add(value: bytes) -> bytes:
        offset, _ = _zigzag(value)
        return _encode_zigzag(offset + count if offset > 0 else offset)  # 0 stands for none

    return add


def _changed(
    fields: Iterable[_Field], changes: Mapping[int, Callable[[bytes], bytes]]
) -> list[_Field]:
    """Return the fields of a struct after changes to their values, by number."""
    return [
        field._replace(value=changes[field.number](field.value))
        if field.number in changes
        else field
        for field in fields
    ]


# --- Thrift's compact protocol --------------------------------------------------------------------


def _read_struct(data: bytes, at: int) -> tuple[list[_Field], int]:
    """Return the fields of the struct at a place, and the place after it."""
    fields: list[_Field] = []
    number = 0
    while data[at]:
        step, kind = data[at] >> 4, data[at] & 15
        number, at = (number + step, at + 1) if step else _zigzag(data, at + 1)
        end = at if kind in (TRUE, FALSE) else _skip(data, at, kind)
        fields.append(_Field(number, kind, data[at:end]))
        at = end
    return fields, at + 1


def _join_struct(fields: Iterable[_Field]) -> bytes:
    parts, last = [], 0
    for number, kind, value in fields:
        step = number - last
        short = 0 < step < 16
        head = bytes([step << 4 | kind]) if short else bytes([kind]) + _encode_zigzag(number)
        parts += [head, value]
        last = number
    return b"".join([*parts, b"\0"])


def _read_list_head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the type of a list's elements, their count, and where the first one begins."""
    count, kind = data[at] >> 4, data[at] & 15
    if count == 15:
        count, at = _varint(data, at + 1)
        return kind, count, at
    return kind, count, at + 1


def _split_list(data: bytes) -> list[bytes]:
    """Return the elements of a list as they are written."""
    kind, count, at = _read_list_head(data, 0)
    elements = []
    for _ in range(count):
        end = _skip(data, at, kind)
        elements.append(data[at:end])
        at = end
    return elements


def _join_list(structs: list[bytes]) -> bytes:
    count = len(structs)
    head = bytes([count << 4 | STRUCT]) if count < 15 else b"\xfc" + _encode_varint(count)
    return b"".join([head, *structs])


def _skip(data: bytes, at: int, kind: int) -> int:
    """Return the place after the value at a place."""
    if kind in INTEGERS:
        return _varint(data, at)[1]
    if kind == BINARY:
        size, at = _varint(data, at)
        return at + size
    if kind == STRUCT:
        while data[at]:
            inner = data[at] & 15
            at = at + 1 if data[at] >> 4 else _varint(data, at + 1)[1]
            if inner not in (TRUE, FALSE):
                at = _skip(data, at, inner)
        return at + 1
    if kind in (LIST, SET):
        inner, count, at = _read_list_head(data, at)
        for _ in range(count):
            at = _skip(data, at, inner)
        return at
    sizes = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8}  # of elements; the format has no maps
    if kind not in sizes:
        raise IndexError
    return at + sizes[kind]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 128:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
    return value | data[at] << shift, at + 1


def _encode_varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _zigzag(data: bytes, at: int = 0) -> tuple[int, int]:
    """Return the signed number at a place, and the place after it."""
    value, at = _varint(data, at)
    return value >> 1 ^ -(value & 1), at


def _encode_zigzag(value: int) -> bytes:
    return _encode_varint(value << 1 if value >= 0 else (-value << 1) - 1)
