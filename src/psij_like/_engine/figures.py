"""Numbers as schedulers write them in their accounts."""

from __future__ import annotations

import re

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b(?:ytes)?)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def seconds(text: str | None) -> float | None:
    """The seconds in `1-02:03:04.5`, `03:04`, `4`; None if it is no such time."""
    match = re.fullmatch(r"(?:([0-9]{1,6})-)?((?:[0-9]{1,9}:){0,2})([0-9]{1,12}(?:\.[0-9]+)?)", (text or "").strip())
    if match is None:
        return None
    hours, minutes = ("0", "0", *match[2].split(":")[:-1])[-2:]
    if match[1] and match[2].count(":") < 2:
        return None
    return ((int(match[1] or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(match[3])


def size(text: str | None) -> int | None:
    """The bytes in `123K`, `1.5 Gbytes`, `12kb`; None if it is no such size."""
    match = _SIZE.fullmatch((text or "").strip())
    return int(float(match[1]) * _UNITS[match[2].lower()]) if match else None
