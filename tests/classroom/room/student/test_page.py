"""Student's page: one file, small, that runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from importlib import resources

from websockets.datastructures import Headers
from websockets.http11 import Request

from tickerkit.classroom.room.pages import respond_with_page
from tickerkit.classroom.room.starters import STARTERS
from tickerkit.classroom.room.student.page import MAX_PAGE_BYTES, PARTS, render_page

DECLARED = re.compile(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", re.MULTILINE)
HOSTILE = "</script><img src=x onerror=alert(1)>{{script}}"


def find_blocks(page: str, tag: str) -> list[str]:
    """Return the contents of each element with a tag."""
    return re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)


def test_page_is_one_small_file_that_requests_nothing() -> None:
    """A class of 300 makes 300 requests; the rest of the size is for starter programs."""
    page = render_page("otter42", {}).decode()
    assert len(page.encode()) < MAX_PAGE_BYTES - 6_000
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "{{" not in page
    assert "import " not in page


def test_policy_allows_the_own_style_and_script_only() -> None:
    """The policy's hashes are those of the page's only style and only script."""
    page = render_page("otter42", {}).decode()
    policy = re.search(r'Security-Policy" content="([^"]*)"', page)
    assert policy
    for tag, name in (("style", "style-src"), ("script", "script-src")):
        text = find_blocks(page, tag)[-1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}';" in policy[1]
    assert "default-src 'none'" in policy[1]


def test_facts_stay_data_whatever_they_contain() -> None:
    """No text can end the script that holds the facts, or stand for a part of the page."""
    facts = {"title": HOSTILE, "starters": [{"key": "a", "text": HOSTILE}]}
    page = render_page("otter42", facts).decode()
    data, script = find_blocks(page, "script")
    assert json.loads(data)["title"] == HOSTILE
    assert json.loads(data)["code"] == "otter42"
    assert script == find_blocks(render_page("otter42", {}).decode(), "script")[1]


def test_modules_can_be_joined() -> None:
    """Names at the top level differ, and each file comes after those that it imports."""
    package = resources.files("tickerkit")
    texts = {path: (package / path).read_text("utf-8") for path in PARTS}
    names = Counter(name for text in texts.values() for name in DECLARED.findall(text))
    assert [name for name, count in names.items() if count > 1] == []
    for at, text in enumerate(texts.values()):
        assert not re.search(r"[\"'`]#[A-Za-z]", text)  # only private fields begin so
        before = {path.rpartition("/")[2] for path in PARTS[:at]}
        imported = re.findall(r'from "[^"]*/([^"/]+)"', re.sub(r"/\*\*.*?\*/", "", text))
        assert set(imported) <= before


def test_page_of_a_class_has_all_programs_and_tasks() -> None:
    """With all of them it is below 40 kB, and their address is the one that was requested."""
    headers = Headers({"Host": "192.168.1.20:8000"})
    response = respond_with_page(Request("/otter42", headers), "otter42")
    assert response is not None
    assert len(response.body) < MAX_PAGE_BYTES
    facts = json.loads(find_blocks(response.body.decode(), "script")[0])
    assert facts["host"] == "192.168.1.20"
    assert [each["key"] for each in facts["starters"]] == list(STARTERS)
    assert all("192.168.1.20" in each["text"] for each in facts["starters"])
    assert [each["number"] for each in facts["tasks"]] == [1, 2, 3, 4, 5, 6, 7]
