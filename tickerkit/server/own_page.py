"""OwnPage: a web page of the user's own, which a server serves on its port: a file, or a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tickerkit.errors import InvalidArgument
from tickerkit.server.page import Asset, find_asset

__all__ = ["OURS", "OwnPage", "check_page"]

INDEX = "index.html"
# Where tickerkit's own page is while another one is at `/`.
OURS = "/tickerkit"
# A file is read whole, on the server's loop.
MAX_FILE_BYTES = 2**22
# Fixed, as some systems have wrong types; browsers refuse a module script of another type.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
}
UNKNOWN_TYPE = "application/octet-stream"
EXPECTED = "the path of an HTML file, or of a folder that has an index.html"


def check_page(page: Any) -> Path | None:
    """Return the absolute path of a page, which another process finds too; None without one.

    Raises:
        InvalidArgument: if it is neither a file nor a folder with an index.html.
    """
    if page is None:
        return None
    if not isinstance(page, str | Path) or not str(page):
        raise InvalidArgument("page", page, EXPECTED)
    path = Path(page).expanduser()
    if not (path / INDEX if path.is_dir() else path).is_file():
        raise InvalidArgument("page", str(page), EXPECTED)
    return path.resolve()


class OwnPage:
    """The files of a page, read again for each request, so that a reload shows a change.

    Of a file, only the file itself is served, at `/`. Of a folder, all files in it are, but none
    whose name or folder begins with a dot, and none to which a link leads out of the folder.

    Args:
        path: the absolute path of the file or the folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, path: str) -> Asset | None:
        """Return the file at a URL's path, or of tickerkit's own page below `/tickerkit/`."""
        if path.startswith(f"{OURS}/"):
            return find_asset(path.removeprefix(OURS))
        if (file := self._locate(path)) is not None:
            try:
                if file.is_file() and file.stat().st_size <= MAX_FILE_BYTES:
                    return _make_asset(file)
            except OSError:  # it is gone, or may not be read
                pass
        # The box for the token, which is shown instead of the page, has its files beside it.
        return None if path == "/" else find_asset(path)

    def _locate(self, path: str) -> Path | None:
        """Return the file that a URL's path names; None if it may not be served."""
        names = unquote(path).removeprefix("/").split("/")
        if names[-1] == "":
            names[-1] = INDEX
        if not self._path.is_dir():
            return self._path if names == [INDEX] else None
        # On Windows a backslash separates names, too, and a colon follows that of a drive.
        if any(not name or name.startswith(".") or set(name) & set("\\:\0") for name in names):
            return None
        try:
            file = self._path.joinpath(*names).resolve()
        except (OSError, ValueError, RuntimeError):  # a name that is too long, a circle of links
            return None
        return file if file.is_relative_to(self._path) else None


def _make_asset(file: Path) -> Asset:
    body = file.read_bytes()
    content_type = TYPES.get(file.suffix.lower(), UNKNOWN_TYPE)
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    is_page = content_type == TYPES[".html"]
    return Asset(body, content_type, etag, needs_token=is_page, is_own=True)
