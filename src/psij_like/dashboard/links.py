"""Addresses of pages: as the server has them, or as files have them."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote, urlencode


class Links(Protocol):
    """How one page refers to others."""

    live: bool
    """Whether a server answers: forms and the JSON API work."""

    def to(self, path: str, /, **query: str) -> str:
        """What a page writes to refer to a path of the application, with a query."""


class ServerLinks:
    """Where a server answers, below the path that a proxy gives it."""

    live = True

    def __init__(self, root_path: str) -> None:
        self._root = root_path.rstrip("/")

    def to(self, path: str, /, **query: str) -> str:
        """The path and query, for this server."""
        return self._root + quote(path) + (f"?{urlencode(query)}" if query else "")
