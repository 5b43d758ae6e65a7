"""What `qstat -xml` prints of jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from psij_like._engine.evidence import Report
from psij_like.job_state import JobState
from psij_like.job_status import Reason

IDS = r"[1-9][0-9]{0,9}(?:\.[0-9]{1,9})?"
# The letters of states (qstat(1)): deletion, error, hold, running, restarted, suspended in four ways, transferring,
# queued, waiting, preempted.
_LETTERS = frozenset("dEhrRsSTNtqwP")
_RUNNING = frozenset("rsSTNP")


def listed(text: str) -> Iterator[Report]:
    """What it says of all the jobs that it lists."""
    pieces = re.findall(r"<job_list\b(?:(?!<job_list\b).)*?</job_list>", text, re.DOTALL)
    return (report for piece in pieces for report in _listed(piece))


def _listed(piece: str) -> Iterator[Report]:
    """What an entry of qstat's list says: it may stand for many waiting elements of an array. Nothing if spoilt."""
    facts = dict(re.findall(r"<(JB_job_number|tasks|state)>([^<]*)</\1>", piece))
    number, letters = facts.get("JB_job_number", ""), facts.get("state", "")
    held = "h" in letters and "<predecessor_jobs>" not in piece
    for native_id in (f"{number}.{index}" for index in _indices(facts["tasks"])) if "tasks" in facts else [number]:
        if not re.fullmatch(IDS, native_id):
            return
        if letters == "" or set(letters) - _LETTERS:
            yield Report(native_id, None, letters)
        elif "E" in letters:
            message = "Grid Engine could not start the job; `qstat -j` tells why, `qmod -cj` lets it try again"
            yield Report(native_id, JobState.QUEUED, letters, "error", Reason.HELD, message=message)
        elif _RUNNING & set(letters):
            yield Report(native_id, JobState.ACTIVE, letters)
        else:
            yield Report(native_id, JobState.QUEUED, letters, reason=Reason.HELD if held else None)


def _indices(tasks: str) -> Iterator[int]:
    """The elements that a list such as `3-9:2,12` names."""
    for part in tasks.split(","):
        match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6})(?::([1-9][0-9]{0,5}))?)?", part)
        if match:
            first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
            yield from range(first, last + 1, step)
