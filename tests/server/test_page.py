"""page: the files of the web page, each at its fixed address."""

from __future__ import annotations

import gzip
import re
from importlib import resources

import pytest

from tickerkit.server import page
from tickerkit.server.page import FILES, find_asset

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@pytest.mark.parametrize("path", FILES)
def test_each_file_is_there_with_its_type(path: str) -> None:
    """Every address has a file that is not empty, whose type fits its name."""
    found = find_asset(path)
    assert found is not None
    assert found.body
    assert found.content_type.startswith(TYPES[FILES[path][0].rpartition(".")[2]])
    assert re.fullmatch(r'"[0-9a-f]{16}"', found.etag)


def test_every_file_beside_the_module_is_served() -> None:
    """No file of the page was forgotten in the table."""
    beside = {
        each.name
        for each in resources.files(page).iterdir()
        if each.is_file() and not each.name.endswith(".py")
    }
    assert {name for name, _ in FILES.values()} == beside


def test_files_differ_in_their_tags() -> None:
    """A tag is of one body, so that a changed file is fetched anew."""
    tags = [found.etag for path in FILES if (found := find_asset(path)) is not None]
    assert len(set(tags)) == len(FILES)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/index.html",
        "/__init__.py",
        "/../portal.py",
        "/..%2fportal.py",
        "//etc/passwd",
        "/page.css/",
        "/PAGE.CSS",
        "page.css",
        "/page.css\x00",
    ],
)
def test_no_other_path_finds_anything(path: str) -> None:
    """A request's path never becomes one of the file system."""
    assert find_asset(path) is None


def test_strange_paths_are_not_remembered() -> None:
    """However many strangers ask for nonsense, nothing of it is kept."""
    before = page._load.cache_info().currsize
    for number in range(1000):
        assert find_asset(f"/{number}") is None
    assert page._load.cache_info().currsize == before


def test_what_the_page_refers_to_is_served() -> None:
    """Every script, style, picture and import of the page's files has an address."""
    referred = set()
    for path in FILES:
        found = find_asset(path)
        assert found is not None
        text = found.body.decode()
        referred |= set(re.findall(r'(?:src|href)="([^"#:]+)"', text))
        referred |= set(re.findall(r'from "\./([^"]+)"', text))
    assert referred
    assert {f"/{name}" for name in referred} <= set(FILES)


def test_nothing_comes_from_elsewhere() -> None:
    """No address of another machine is in the page: it works without a network."""
    for path in FILES:
        found = find_asset(path)
        assert found is not None
        text = found.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://(?!localhost|127\.0\.0\.1)[a-z]", text), path


def test_the_page_is_small() -> None:
    """All of it is under 100 kB gzipped, so that it arrives whole over a slow link."""
    bodies = [found.body for path in FILES if (found := find_asset(path)) is not None]
    assert sum(len(gzip.compress(body)) for body in bodies) < 100_000
