"""Page modules: the JavaScript modules of a widget's page side, joined to one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources

__all__ = ["join_files", "join_modules", "read_file"]

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_DOC_COMMENT = re.compile(r"^ */\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)
_LINE_COMMENT = re.compile(r"^ *//.*\n", re.MULTILINE)
_INDENT = re.compile(r"^ +", re.MULTILINE)


def read_file(path: str) -> str:
    """Return the text of a file, by its path in the package."""
    return (resources.files("tickerkit") / path).read_text("utf-8")


def join_files(paths: Iterable[str]) -> str:
    """Join the JavaScript modules of these files to one, see `join_modules`."""
    return join_modules(read_file(path) for path in paths)


def join_modules(modules: Iterable[str]) -> str:
    """Join JavaScript modules to one; each module comes after the modules that it imports.

    A page loads a widget's module from text that has no URL, and so can't resolve imports of other
    files. Joining in Python needs no build tool: a checkout runs without a build. It relies on
    three rules, which tests check: all names at the top level differ, an import fills whole lines
    and renames nothing, and an export is part of a declaration. Comments that fill whole lines
    and indents are left out, because every widget and every saved notebook holds the text.
    """
    text = "\n".join(modules)
    for pattern in (_IMPORT, _DOC_COMMENT, _LINE_COMMENT, _EXPORT, _INDENT):
        text = pattern.sub("", text)
    return text
