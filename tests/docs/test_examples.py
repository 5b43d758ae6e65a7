"""The code in pages is that of the examples, which the tests run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^<!-- (examples/\S+) -->\n(?:<!-- run by \S+ -->\n)?```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = [
    (page.name, path, text)
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for path, text in _BLOCK.findall(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("path", "text"), [each[1:] for each in SHOWN], ids=[":".join(each[:2]) for each in SHOWN])
def test_a_page_shows_an_example_as_it_is(path: str, text: str) -> None:
    assert text == (ROOT / path).read_text(encoding="utf-8")


def test_every_mark_is_followed_by_code() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    assert sum(page.count("<!-- examples/") for page in pages) == len(SHOWN) > 0
