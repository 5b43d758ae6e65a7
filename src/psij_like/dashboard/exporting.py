"""The dashboard as files: the application is asked for its pages, from the first on, and they are written.

How pages refer to each other is what differs: a page that is mentioned gets a file name, and is asked for in its turn.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from urllib.parse import quote

import httpx
from fastapi import Request

from psij_like.dashboard.app import make_app
from psij_like.dashboard.database import Database

_BASE = "http://dashboard"
_PLAIN = re.compile("[a-z0-9_.]{1,60}")  # no capitals: some file systems do not tell them apart
_MARK = ".psij-like-dashboard"  # of a directory that an export made

_Address: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""A path of the application and a query."""


class ExportError(Exception):
    """It can not be written; the message says why."""


def export_pages(database: Database, directory: Path) -> tuple[int, list[str]]:
    """Write all pages below a directory. Files of an earlier export are replaced.

    Returns:
        How many files were written, and the addresses of the pages that could not be made and are left out.

    Raises:
        ExportError: if the directory holds something else, the first page can not be made, or the database fails.
        OSError: if a file can not be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    mark = directory / _MARK
    if any(directory.iterdir()) and not mark.exists():
        raise ExportError(f"{directory} is not empty and was not made by an export; name another directory")
    mark.touch()
    return asyncio.run(_export(database, directory))


async def _export(database: Database, directory: Path) -> tuple[int, list[str]]:
    site = _Site()
    transport = httpx.ASGITransport(make_app(database, links=site.links), raise_app_exceptions=False)
    written, left_out = 0, []
    async with httpx.AsyncClient(transport=transport, base_url=_BASE) as client:
        for path, query in site.mentioned():
            answer = await client.get(quote(path), params=query)
            if answer.status_code != 200:
                if path == "/" or answer.status_code == 503:
                    raise ExportError(f"the page {answer.url} can not be made: error {answer.status_code}")
                left_out.append(str(answer.url).removeprefix(_BASE))
                continue
            file = directory / site.file((path, query))
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(file.name + ".part")
            part.write_bytes(answer.content)
            os.replace(part, file)
            written += 1
    return written, left_out


class _Site:
    """The files: which there are, and which are still to be written."""

    def __init__(self) -> None:
        self._known: set[_Address] = set()
        self._due: deque[_Address] = deque()
        self.mention(("/", ()))

    def mention(self, address: _Address) -> None:
        if address not in self._known:
            self._known.add(address)
            self._due.append(address)

    def mentioned(self) -> Iterator[_Address]:
        """One after the other, those too that are mentioned meanwhile."""
        while self._due:
            yield self._due.popleft()

    def file(self, address: _Address) -> PurePosixPath:
        """The name of the file of a page."""
        path, query = address
        name = path.strip("/") or "index"
        kind = PurePosixPath(name).suffix
        stem = name.removesuffix(kind)
        for key, value in query:
            plain = value if _PLAIN.fullmatch(value) else "-" + hashlib.sha256(value.encode()).hexdigest()[:16]
            stem += f"-{key}-{plain}"  # no plain value has a "-", so that no two addresses share a name
        return PurePosixPath(stem + (kind or ".html"))

    def links(self, request: Request) -> _FileLinks:
        query = tuple(sorted(request.query_params.multi_items()))
        return _FileLinks(self, (request.url.path, query))


class _FileLinks:
    """How a page that is a file refers to others: relative to itself."""

    live = False

    def __init__(self, site: _Site, page: _Address) -> None:
        self._site = site
        self._from = site.file(page).parent

    def to(self, path: str, /, **query: str) -> str:
        address = path, tuple(sorted(query.items()))
        self._site.mention(address)
        return quote(os.path.relpath(self._site.file(address), self._from))
