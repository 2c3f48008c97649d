"""page: the table of the page's files."""

from __future__ import annotations

import gzip
import re
from importlib import resources
from typing import get_args

import msgspec
import pytest

from tickerkit.protocol.messages import Aside, FromServer, Subscribe
from tickerkit.server import page
from tickerkit.server.page import FILES, find_asset

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@pytest.mark.parametrize("path", FILES)
def test_every_path_has_a_file_of_its_type(path: str) -> None:
    """Each file exists, is not empty, and has the content type of its name."""
    found = find_asset(path)
    assert found is not None
    assert found.body
    assert found.content_type.startswith(TYPES[FILES[path][0].rpartition(".")[2]])
    assert re.fullmatch(r'"[0-9a-f]{16}"', found.etag)


def test_every_file_beside_the_module_is_in_the_table() -> None:
    """No file of the page is missing in the table."""
    beside = {
        each.name
        for each in resources.files(page).iterdir()
        if each.is_file() and not each.name.endswith(".py")
    }
    assert {name for name, _ in FILES.values()} == beside


def test_etags_of_files_differ() -> None:
    """An etag belongs to one body, so that a changed file is fetched again."""
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
def test_other_paths_find_nothing(path: str) -> None:
    """A request's path never becomes a path of the file system."""
    assert find_asset(path) is None


def test_unknown_paths_are_not_cached() -> None:
    """Requests for unknown paths use no memory."""
    before = page._load.cache_info().currsize
    for number in range(1000):
        assert find_asset(f"/{number}") is None
    assert page._load.cache_info().currsize == before


def test_everything_the_page_refers_to_is_in_the_table() -> None:
    """Every script, style, image and import of the page's files has a path."""
    referred = set()
    for path in FILES:
        found = find_asset(path)
        assert found is not None
        text = found.body.decode()
        referred |= set(re.findall(r'(?:src|href)="([^"#:]+)"', text))
        referred |= set(re.findall(r'from "\./([^"]+)"', text))
    assert referred
    assert {f"/{name}" for name in referred} <= set(FILES)


def test_page_refers_to_no_other_server() -> None:
    """The page works without a network."""
    for path in FILES:
        found = find_asset(path)
        assert found is not None
        text = found.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://(?!localhost|127\.0\.0\.1)[a-z]", text), path


def test_page_is_small() -> None:
    """All files together are under 100 kB gzipped, for slow links."""
    bodies = [found.body for path in FILES if (found := find_asset(path)) is not None]
    assert sum(len(gzip.compress(body)) for body in bodies) < 100_000


STYLE = (resources.files(page) / "page.css").read_text("utf-8")


def luminance(colour: list[float]) -> float:
    """Return the relative luminance of WCAG 2.2 of a colour, given as 0 to 255."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (each / 255 for each in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "up", "down"])
def test_prices_that_may_be_out_of_date_stay_readable(scheme: str, name: str) -> None:
    """Grey and pale as they are, their contrast is at least 4.5 : 1 (WCAG 2.2, 1.4.3)."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.S)
    colours = {
        key: [int(value[at : at + 2], 16) for at in (0, 2, 4)]
        for key, value in re.findall(r"--(\w[\w-]*): #(\w{6});", blocks[scheme == "dark"])
    }
    stale = STYLE[STYLE.index(".row[data-stale] {") :]
    opacity = float(re.search(r"opacity: ([\d.]+)", stale)[1])  # type: ignore[index]

    def shown(colour: list[float]) -> float:
        # CSS filter effects, section 12.1: grayscale(1) weighs the values as luminance does.
        grey = sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), colour, strict=True))
        return luminance([opacity * grey + (1 - opacity) * value for value in colours["paper"]])

    dark, light = sorted((shown(colours[name]), shown(colours["card"])))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


MESSAGES = {kind.__struct_config__.tag: kind for kind in (*get_args(FromServer | Aside), Subscribe)}
FEED = (resources.files(page) / "feed.js").read_text("utf-8").replace("\n *  ", "")
TYPEDEFS = dict(re.findall(r'@typedef \{\{type: "(\w+)"(?:, )?(.*?)\}\} \w+$', FEED, re.M))


def test_the_feed_knows_each_message_of_the_protocol() -> None:
    """The types in the feed's comments have every message that the server sends, and its own."""
    assert set(TYPEDEFS) == set(MESSAGES)


@pytest.mark.parametrize("tag", TYPEDEFS)
def test_the_feed_reads_fields_that_a_message_has(tag: str) -> None:
    """A field is one of the message's, and may be missing where the server leaves it out."""
    kind = MESSAGES[tag]
    may_be_missing = {
        field.encode_name: field.default is msgspec.UNSET
        or (kind.__struct_config__.omit_defaults and not field.required)
        for field in msgspec.structs.fields(kind)
    }
    outermost = re.sub(r"\{[^{}]*\}", "{}", TYPEDEFS[tag])
    for name, mark in re.findall(r"(\w+)(\??): ", outermost):
        assert bool(mark) == may_be_missing[name], name
