"""How Grid Engine's jobs ended, as qacct tells it (sge_status(5), accounting(5), 8.1.9)."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Iterator, Mapping
from email.utils import parsedate

from psij_like._engine.evidence import Report
from psij_like._engine.figures import seconds, size
from psij_like.job_info import JobUsage
from psij_like.job_state import JobState
from psij_like.job_status import Reason

_IDS = r"[1-9][0-9]{0,9}(?:\.[0-9]{1,9})?"
# What qacct's "failed" says (sge_status(5)). The others: it never came to run the script.
_BY_ITSELF = frozenset([0, 12, 13, 14, 15, 16, 19])  # and then some site's own epilogue
_KILLED = frozenset([17, 18, 37, 100])
_OVER_LIMIT = 37  # "qmaster enforced h_rt"; the execution host itself is silent about why it kills
_RUNS_AGAIN = frozenset([24, 25])


def ends(text: str) -> Iterator[Report]:
    """What the records in qacct's output, written in UTC, say; a job has one for each run, the last one last."""
    for facts in _records(text):
        report = _ended(facts)
        if report is not None:
            yield report


def usage(native_id: str, text: str) -> JobUsage | None:
    """What a job's last run used, by the same records; None if there is none."""
    for facts in reversed([*_records(text)]):
        if _native_id(facts) == native_id:
            elapsed, cpu_time = seconds(facts.get("ru_wallclock", "").rstrip("s")), facts.get("cpu", "").rstrip("s")
            return JobUsage(elapsed, seconds(cpu_time), size(facts.get("maxvmem")))
    return None


def _records(text: str) -> Iterator[dict[str, str]]:
    for record in re.split("^={20,}$", text, flags=re.MULTILINE):
        yield dict(re.findall(r"^(\w+) +(.*?) *$", record, re.MULTILINE))


def _native_id(facts: Mapping[str, str]) -> str:
    number, task = facts.get("jobnumber", ""), facts.get("taskid", "undefined")
    return number if task == "undefined" else f"{number}.{task}"


def _ended(facts: Mapping[str, str]) -> Report | None:
    """What a record of qacct says; None if it is spoilt, or not of the job's last run."""
    native_id = _native_id(facts)
    code, failed = (re.match("[0-9]{1,3}(?![0-9])", facts.get(name, "")) for name in ("exit_status", "failed"))
    if not re.fullmatch(_IDS, native_id) or code is None or failed is None:
        return None
    if "ru_wallclock" not in facts:  # it breaks off, maybe in the figures before that
        return None
    exit_code, failure = int(code[0]), int(failed[0])
    native, end = "" if failure == 0 else facts["failed"], _time(facts.get("end_time", ""))
    if failure in _RUNS_AGAIN:
        return None
    if failure in _KILLED and exit_code > 128:
        reason = Reason.TIMEOUT if failure == _OVER_LIMIT else Reason.SIGNAL
        return Report(native_id, JobState.FAILED, "", native, reason, exit_code, exit_code - 128, end)
    if failure in _BY_ITSELF | _KILLED:
        state = JobState.FAILED if exit_code else JobState.COMPLETED
        return Report(native_id, state, "", native, Reason.EXIT, exit_code, time=end)
    # No reason of its own: whoever cancels a job that could not be started has cancelled it.
    message = f"Grid Engine could not start the job: {native}"
    return Report(native_id, JobState.FAILED, "", native, time=end, message=message)


def _time(text: str) -> float | None:
    """The time of "Fri Nov 20 22:12:28 2026" in UTC."""
    try:
        found = parsedate(text)
        return None if found is None else float(timegm(found))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
