"""How Cobalt writes states, times and tables, and how it reads times and variables."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence

from psij_like.testing.jobs import Job, State, Wait

_WAITS = {
    Wait.HELD_BY_USER: "user_hold",
    Wait.HELD_BY_ADMIN: "admin_hold",
    Wait.DEPENDENCY: "dep_hold",
    Wait.NEVER: "dep_fail",
    Wait.IMPOSSIBLE: "dep_hold",  # for a job that had ended before anybody depended on it
    Wait.ARRAY_LIMIT: "maxrun_hold",
}
_SHORT = {"queued": "Q", "running": "R", "killing": "K"}


def state(job: Job) -> str:
    """The state's name."""
    if job.state is State.PENDING:
        return _WAITS.get(job.wait, "queued")
    return "killing" if job.state is State.ENDING else "running"


def short_state(job: Job) -> str:
    """The state's letter."""
    return _SHORT.get(state(job), "H")


def clock(seconds: float) -> str:
    """`166:39:00`."""
    whole = max(0, int(seconds))
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def moment(seconds: float) -> str:
    """`Fri Nov 20 21:55:16 2026 +0000 (UTC)`."""
    zone = time.strftime("%z (%Z)", time.localtime(seconds))
    return f"{time.ctime(seconds)} {zone}"


def minutes(text: str) -> int:
    """Minutes of `M`, `H:M`, `H:M:S` or `D:H:M:S`; seconds count for nothing. ValueError: it is none of them."""
    parts = [int(part) for part in text.split(":")]
    if len(parts) > 4 or any(part < 0 for part in parts):
        raise ValueError(text)
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        parts.append(0)
    days = parts.pop(0) if len(parts) == 4 else 0
    if parts[2] > 59:
        raise ValueError(text)
    return (days * 24 + parts[0]) * 60 + parts[1]


def variables(text: str) -> dict[str, str]:
    r"""Variables of `A=1:B=2`, where `\:` and `\=` stand for themselves in values."""
    found = {}
    for part in re.split(r":(?=\w+\b=)", text):
        name, _, value = part.partition("=")
        found[name] = value.replace("\\:", ":").replace("\\=", "=")
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as what is in them, under a line."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = ["".join(f"{text:<{width}}  " for text, width in zip(line, widths, strict=True)) for line in lines]
    texts.insert(1, "=" * (sum(widths) + 2 * len(widths) - 1))
    return "".join(f"{text}\n" for text in texts)
