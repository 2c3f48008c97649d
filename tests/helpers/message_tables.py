"""Tables of messages: the kernel's in Python beside the page's in TypeScript."""

from __future__ import annotations

import re
import types
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

__all__ = ["MessageTables"]

NAMES = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


class MessageTables:
    """Both tables of a widget's messages.

    Args:
        messages: the table in Python; the page's is beside it, in a file with the end .d.ts.

    Attributes:
        dicts: the kernel's messages by name.
        interfaces: the text of the page's by name.
        unions: which messages travel together, as the page has it.
    """

    def __init__(self, messages: ModuleType) -> None:
        assert messages.__file__
        page = Path(messages.__file__).with_suffix(".d.ts").read_text("utf-8")
        self._messages = messages
        # Those that it has from another table are compared there.
        self.dicts = {
            name: each
            for name, each in vars(messages).items()
            if is_typeddict(each) and each.__module__ == messages.__name__
        }
        found = re.findall(r"^export interface (\w+) \{\n(.*?)^\}", page, re.M | re.S)
        self.interfaces: dict[str, str] = dict(found)
        self.unions: dict[str, str] = dict(re.findall(r"^export type (\w+) = (.*);", page, re.M))

    def check_names(self) -> None:
        """Assert that both tables have the same messages."""
        assert self.interfaces
        assert set(self.interfaces) == set(self.dicts)
        assert set(self.interfaces) | set(self.unions) == set(self._messages.__all__)

    def check_fields(self, name: str) -> None:
        """Assert that a message has the same fields on both sides."""
        fields = re.findall(r"^  (\w+)(\??): (.*);$", self.interfaces[name], re.M)
        hints = get_type_hints(self.dicts[name], include_extras=True)
        optional = {field for field, hint in hints.items() if get_origin(hint) is NotRequired}
        assert {field: kind for field, _, kind in fields} == {
            field: in_typescript(hint) for field, hint in hints.items()
        }
        assert {field for field, mark, _ in fields if mark} == optional

    def check_union(self, name: str) -> None:
        """Assert that the same messages travel together on both sides."""
        assert self.unions[name] == in_typescript(getattr(self._messages, name))


def in_typescript(annotation: Any) -> str:
    """Return a type as the page's table writes it."""
    if annotation in NAMES:
        return NAMES[annotation]
    if is_typeddict(annotation):
        return str(annotation.__name__)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is NotRequired:
        return in_typescript(arguments[0])
    if origin is Literal:
        return " | ".join(f'"{each}"' for each in arguments)
    written = [in_typescript(each) for each in arguments]
    if origin in (Union, types.UnionType):
        return " | ".join(written)
    if origin is dict:
        return f"Record<{', '.join(written)}>"
    if origin in (list, Sequence):
        is_union = get_origin(arguments[0]) in (Union, types.UnionType)
        return f"({written[0]})[]" if is_union else f"{written[0]}[]"
    assert origin is tuple, annotation
    return f"[{', '.join(written)}]"
