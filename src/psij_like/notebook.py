"""How notebooks show jobs and executors: a table of states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psij_like.job import Job

_MOST = 50
_COLUMNS = ("id", "name", "state", "why", "exit code")


def table(jobs: Sequence[Job], caption: str) -> str:
    """Jobs as an HTML table, the first of them if they are many; the caption counts all."""
    states = Counter(str(job.status.state) for job in jobs)
    counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no unfinished jobs"
    head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
    rows = "".join(map(_row, jobs[:_MOST]))
    more = f"<tr><td colspan='{len(_COLUMNS)}'>and {len(jobs) - _MOST} more</td></tr>" if len(jobs) > _MOST else ""
    shown = f"<thead><tr>{head}</tr></thead><tbody>{rows}{more}</tbody>" if jobs else ""
    return f"<table><caption>{escape(caption)}: {counted}</caption>{shown}</table>"


def _row(job: Job) -> str:
    status = job.status
    name = job.spec.name if job.spec is not None else None
    why = " ".join(str(part) for part in (status.reason, status.message) if part)
    cells = (
        job.native_id or job.id,
        name or "",
        status.state,
        why,
        "" if status.exit_code is None else status.exit_code,
    )
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"
