"""Page: the student's page as one file: one request for each student, and nothing from elsewhere.

A class opens its page within seconds, over one wifi. The styles, the scripts and the starter
programs are therefore part of the page. Its policy names the hashes of its style and its script, so
the browser runs nothing else, whatever a name, a symbol or a note contains.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tickerkit.runtime.page_modules import join_files, read_file

__all__ = ["MAX_PAGE_BYTES", "PARTS", "render_page"]

MAX_PAGE_BYTES = 40_000
"""How large the page may become."""

# The files by their paths in the package. Each script comes after those that it imports.
ICON = "server/page/icon.svg"
STYLES = ("server/page/page.css", "classroom/room/student/student.css")
OWN = ("words", "seat_socket", "copying", "starter_tabs", "task_list", "price_list", "page")
PARTS = (
    "server/page/decimals.js",
    "server/page/sparkline.js",
    "runtime/page_parts/elements.js",
    *(f"classroom/room/student/{name}.js" for name in OWN),
)
# What the page shows where a class says nothing else.
DEFAULTS: Mapping[str, Any] = {"title": "", "host": "", "name": "", "starters": (), "tasks": ()}

# What the page of a class has not.
_OTHER_STYLE = re.compile(r"/\* ---- the counts, the filter.*?(?=/\* ----)", re.DOTALL)
_CSS_COMMENT = re.compile(r"/\*.*?\*/|\n\s*|;\s*(?=\})", re.DOTALL)
_CSS_SPACE = re.compile(r"(?<=[:,]) | (?=\{)")
# Types, comments at the end of lines, and line breaks that end no statement.
_JS_SPACE = re.compile(r"/\*\* @type [^*]*\*/ ?|(?<=[;{,]) +//.*|\n(?=\n)")
_JS_BREAK = re.compile(r"(?<=[;{,(])\n")
_FIELD = re.compile(r"#[A-Za-z]\w*")
_HTML_COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)
_INDENT = re.compile(r"\n +")


def render_page(code: str, facts: Mapping[str, Any]) -> bytes:
    """Return the student's page, as UTF-8.

    Args:
        code: the class's code, which the page's websocket sends as its token.
        facts: what the page shows; each may be missing: `title` of the class; `starters`, a list of
            `{"key", "title", "run", "text"}`; the `host` and the `name` that their texts are filled
            with, in whose place the page writes its own; and `tasks`, a list of `{"number",
            "title", "text"}`. messages.d.ts has the types.
    """
    known = {name: facts.get(name, default) for name, default in DEFAULTS.items()}
    known["title"] = known["title"] or f"Class {code}"
    # In a script, "<" could begin its end tag.
    data = json.dumps({"code": code, **known}, ensure_ascii=False, separators=(",", ":"))
    data = data.replace("<", "\\u003c")
    before, after = _read_frame()
    return f"{before}{data}{after}".encode()


@functools.cache
def _read_frame() -> tuple[str, str]:
    """Return the page before and after its facts."""
    style = _OTHER_STYLE.sub("", "".join(read_file(path) for path in STYLES))
    style = _CSS_SPACE.sub("", _CSS_COMMENT.sub("", style))
    script = _JS_SPACE.sub("", join_files(PARTS))
    script = _shorten_fields(_JS_BREAK.sub("", script))
    icon = "data:image/svg+xml," + quote(" ".join(read_file(ICON).split()), safe=" =:/(),-'")
    page = _INDENT.sub("\n", _HTML_COMMENT.sub("", read_file("classroom/room/student/page.html")))
    parts = {"policy": _make_policy(style, script), "icon": icon}
    for name, text in {**parts, "style": style, "script": script}.items():
        page = page.replace("{{" + name + "}}", text)
    before, _, after = page.partition("{{facts}}")
    return before, after


def _shorten_fields(script: str) -> str:
    """Give private fields names of two letters; they are a twentieth of the script.

    No other text of these scripts has a "#" before a letter, which a test checks.
    """
    names = sorted(set(_FIELD.findall(script)))
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = (f"#{first}{second}" for first in letters for second in letters)
    short = dict(zip(names, pairs, strict=False))
    return _FIELD.sub(lambda found: short[found[0]], script)


def _make_policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "connect-src 'self' ws: wss:; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
