"""Reads JSON that was written down, perhaps in part, and perhaps by somebody else."""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str) -> Any:
    """What the text says; None if it says nothing, or nests so deep that nobody of us wrote it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def members(text: str) -> dict[str, Any]:
    """The members of the object that the text is; none if it is another thing."""
    read = parsed(text)
    return read if isinstance(read, dict) else {}
