"""own_page: a web page of the user's own is served on the server's port, and nothing beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from peers import ask, dial, receive

import tickerkit as tk
from tickerkit.errors import InvalidArgument
from tickerkit.server.own_page import MAX_FILE_BYTES, OwnPage, check_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOKEN = "otter42"
PAGE = "<!doctype html><title>Class 7b</title><link rel=stylesheet href=style.css><h1>Hello</h1>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a page, beside files that are nobody's business."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text("secret")
    (outside / "site2").mkdir()
    (outside / "site2" / "index.html").write_text("secret")
    folder = outside / "site"
    for name in ("lessons", ".git"):
        (folder / name).mkdir(parents=True)
    files = {
        "index.html": PAGE,
        "style.css": "h1 { color: teal }",
        "app.mjs": "export const x = 1;",
        "lessons/index.html": "<p>one",
        "lessons/a b.html": "<p>two",
        "data.unknown": "?",
        "..data.txt": "hidden",
        ".env": "TOKEN=secret",
        ".git/config": "secret",
        "big.bin": "x" * (MAX_FILE_BYTES + 1),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    if sys.platform != "win32":
        (folder / "out.txt").symlink_to(outside / "secret.txt")
        (folder / "out").symlink_to(outside)
        (folder / "circle").symlink_to(folder / "circle")
        (folder / "inside.css").symlink_to(folder / "style.css")
    return folder


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        ("/", PAGE, "text/html; charset=utf-8"),
        ("/index.html", PAGE, "text/html; charset=utf-8"),
        ("/style.css", "h1 { color: teal }", "text/css; charset=utf-8"),
        ("/app.mjs", "export const x = 1;", "text/javascript; charset=utf-8"),
        ("/lessons/", "<p>one", "text/html; charset=utf-8"),
        ("/lessons/a%20b.html", "<p>two", "text/html; charset=utf-8"),
        ("/data.unknown", "?", "application/octet-stream"),
        pytest.param(
            "/inside.css",
            "h1 { color: teal }",
            "text/css; charset=utf-8",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege"),
        ),
    ],
)
def test_files_of_the_folder_are_found(
    folder: Path, path: str, body: str, content_type: str
) -> None:
    """With the type that browsers need."""
    asset = OwnPage(folder).find(path)
    assert asset is not None
    assert (asset.body.decode(), asset.content_type) == (body, content_type)


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/lessons/../../secret.txt"),
        *(
            "/..\\secret.txt",
            "/%5c..%5csecret.txt",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/./style.css",
        ),
        *("/../site2/index.html", "/C:/secret.txt", "/style.css::$DATA", "/style.css%00.html"),
        *("/.env", "/.git/config", "/..data.txt", "/lessons", "/lessons//a%20b.html", "/nowhere"),
        *("/out.txt", "/out/secret.txt", "/circle", "/big.bin", "/" + "x" * 5000, "/%ff%fe"),
        *("/style.css/", "/index.html/x"),
    ],
)
def test_nothing_outside_of_the_folder_is_found(folder: Path, path: str) -> None:
    """Nor hidden files, those that are too large, and what is no file."""
    assert OwnPage(folder).find(path) is None


def test_of_a_file_only_the_file_is_served(folder: Path) -> None:
    """The folder that it happens to be in may hold anything."""
    page = OwnPage(folder / "index.html")
    found = page.find("/")
    assert found is not None
    assert found.body.decode() == PAGE
    assert page.find("/app.mjs") is None
    assert page.find("/lessons/") is None


@pytest.mark.parametrize("page", ["", "nowhere.html", 7, Path("no/folder"), "tests"])
def test_page_that_is_not_there_is_refused(page: object) -> None:
    """At once, also a folder without an index.html."""
    with pytest.raises(InvalidArgument, match="page="):
        check_page(page)
    with pytest.raises(InvalidArgument, match="page="):
        tk.serve(None, port=0, page=page)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[tk.TickServer]:
    """Return a server with a token and a page of its own."""
    with tk.serve(None, port=0, token=TOKEN, page=folder) as running:
        yield running


def test_page_needs_the_token_and_its_files_do_not(server: tk.TickServer) -> None:
    """A browser requests those without the page's query; a wrong Host gets nothing."""
    assert ask(server.port, "/", Accept="text/html")[0] == 401
    assert ask(server.port, "/lessons/a%20b.html")[0] == 401
    status, headers, body = ask(server.port, f"/?token={TOKEN}")
    assert (status, body, headers["cache-control"]) == (200, PAGE, "no-store")
    assert "content-security-policy" not in headers
    assert ask(server.port, "/style.css")[0] == 200
    for path in ("/style.css", f"/?token={TOKEN}"):
        assert ask(server.port, path, Host="evil.example")[0] == 403
    assert ask(server.port, "/../secret.txt")[0] == 404
    assert ask(server.port, "/style.css", "POST")[0] == 405


def test_page_of_tickerkit_moves_aside(server: tk.TickServer) -> None:
    """It is at `/tickerkit/`, with its own policy and the token."""
    assert ask(server.port, "/tickerkit/")[0] == 401
    status, headers, body = ask(server.port, f"/tickerkit/?token={TOKEN}")
    assert status == 200
    assert "<title>tickerkit" in body
    assert "content-security-policy" in headers
    assert ask(server.port, "/tickerkit/page.js")[0] == 200
    with dial(f"ws://127.0.0.1:{server.port}/ticks?token={TOKEN}") as peer:
        server.publish({"symbol": "AAPL", "price": 1})
        assert receive(peer)[0]["symbol"] == "AAPL"


@pytest.mark.process
def test_page_is_served_by_a_process_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path may be relative; a change is seen on reload, and what has not changed is a 304."""
    monkeypatch.chdir(tmp_path)
    Path("page.html").write_text("<p>one")
    with tk.serve(None, port=0, page="page.html", process=True) as server:
        _, headers, body = ask(server.port, "/")
        assert body == "<p>one"
        assert ask(server.port, "/", If_None_Match=headers["etag"])[0] == 304
        Path("page.html").write_text("<p>two")
        status, _, body = ask(server.port, "/", If_None_Match=headers["etag"])
        assert (status, body) == (200, "<p>two")
        Path("page.html").unlink()
        assert ask(server.port, "/")[0] == 404


@pytest.mark.browser
def test_page_of_the_tutorial_shows_its_prices(
    chromium: Browser, recorded: Path, tmp_path: Path, artifacts: Path
) -> None:
    """As it is, but for the port; it is the last step of the tutorial, on one port."""
    text = (recorded / "tutorial" / "index.html").read_text()
    page = tmp_path / "index.html"
    page.write_text(text)
    with tk.serve(tk.simulate(["AAPL", "MSFT"], rate=20, seed=3), port=0, page=page) as server:
        page.write_text(text.replace("localhost:8000", f"localhost:{server.port}"))
        tab = chromium.new_page()
        tab.goto(server.page)
        tab.wait_for_function("() => document.querySelectorAll('#stock-list li').length === 2")
        lines = tab.locator("#stock-list li").all_inner_texts()
        tab.screenshot(path=artifacts / "own_page.png")
        tab.goto(f"{server.page}tickerkit/")
        tab.wait_for_selector("#prices .quote")
        tab.close()
    assert [line.split(": $")[0] for line in lines] == ["AAPL", "MSFT"]
