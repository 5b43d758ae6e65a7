"""Puts what is made from code or tests into a page, between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def put(page: Path, begin: str, end: str, text: str, flags: Sequence[str]) -> int:
    """Rewrite the part of the page between the marks; with --check among the flags: 1 if it is not as it would be."""
    before = page.read_text(encoding="utf-8")
    head, _, rest = before.partition(begin)
    made = f"{head}{begin}\n\n{text}\n{end}{rest.partition(end)[2]}"
    if "--check" in flags:
        return int(made != before)
    page.write_text(made, encoding="utf-8")
    return 0
