"""The server's web page: a fixed table of its files, by path.

The files lie beside this module and are read when first requested. A request's path is only looked
up in `FILES` and never becomes a path of the file system, so path traversal is impossible.

The files hold no data and no secrets. A server with a token must require it for the page and the
websocket, but not for the other files: a browser requests those without the page's `?token=`.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources

__all__ = ["FILES", "TOKEN_PAGE", "TOKEN_PAGE_REASON", "Asset", "find_asset"]

# Browsers refuse a module script whose type is not JavaScript. Python's mimetypes asks the system,
# and some systems answer text/plain, so the types are fixed here.
_HTML = "text/html; charset=utf-8"
_CSS = "text/css; charset=utf-8"
_JAVASCRIPT = "text/javascript; charset=utf-8"
_SVG = "image/svg+xml"

FILES: dict[str, tuple[str, str]] = {
    "/": ("index.html", _HTML),
    "/page.css": ("page.css", _CSS),
    "/page.js": ("page.js", _JAVASCRIPT),
    "/board.js": ("board.js", _JAVASCRIPT),
    "/decimals.js": ("decimals.js", _JAVASCRIPT),
    "/feed.js": ("feed.js", _JAVASCRIPT),
    "/sparkline.js": ("sparkline.js", _JAVASCRIPT),
    "/icon.svg": ("icon.svg", _SVG),
    "/token.html": ("token.html", _HTML),
}
"""The file and the content type of each path that a request may name."""

TOKEN_PAGE = "/token.html"
"""The page with a box to enter the token; also sent instead of the page if the token is wrong."""

TOKEN_PAGE_REASON = b"This server requires a token."
"""The text in it that is replaced by the reason of a refusal."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, ready to be sent."""

    body: bytes
    content_type: str
    etag: str
    """The value of the ETag header, with its quotes; it changes with the body."""
    needs_token: bool = False
    """Whether a server with a token requires it for this file."""
    is_own: bool = False
    """Whether it is a file of the user's own page, which may use what it likes."""


def find_asset(path: str) -> Asset | None:
    """Return the file at a URL's path (without its query), or None if there is none."""
    # Checked before the cached function is called: unknown paths must not fill the cache.
    return _load(path) if path in FILES else None


@functools.cache
def _load(path: str) -> Asset:
    name, content_type = FILES[path]
    body = (resources.files(__name__) / name).read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return Asset(body, content_type, etag, needs_token=path == "/")
