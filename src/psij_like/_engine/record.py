"""What a job's body writes down about its runs, read back; never believed when it is torn."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from psij_like.job_state import JobState

_EVENTS = frozenset(["STAGE_IN", "ACTIVE", "STAGE_OUT", "CLEANUP"])  # an end is told by the end file alone


@dataclass(frozen=True, slots=True)
class Record:
    """What a job wrote about its latest run.

    Attributes:
        run: the number of the run, from 1; a scheduler that requeues a job starts another one.
        events: the states the run went through, with their times (seconds since the epoch).
        ended: when the run ended (seconds since the epoch); None while it goes on or if it was cut off.
        exit_code: the job's exit code, 128 + n where a shell saw it end by signal n; None if it never started.
        received: the signal that the body itself received, if any.
        failure: a sentence, if something other than the exit code made the job fail.
        phase: where it failed: "launch", "staging" or "dependency" (another job's end ruled out that it starts).
    """

    run: int
    events: tuple[tuple[JobState, float], ...] = ()
    ended: float | None = None
    exit_code: int | None = None
    received: int | None = None
    failure: str | None = None
    phase: str | None = None

    @property
    def clean(self) -> bool:
        """Whether the run ended by itself, with no signal in play."""
        return self.ended is not None and self.received is None and (self.exit_code is None or self.exit_code <= 128)


def events_of(text: str) -> tuple[tuple[JobState, float], ...]:
    """Read an events file: a time and a state in each line."""
    events = []
    for line in text.split("\n")[:-1]:  # the last line may be in the middle of being written
        time_text, _, name = line.partition(" ")
        moment = _moment(time_text)
        if moment is not None and name in _EVENTS:
            events.append((JobState[name], moment))
    return tuple(events)


def _moment(text: str) -> float | None:
    try:
        moment = float(text)
    except ValueError:
        return None
    return moment if math.isfinite(moment) else None


def record_of(run: int, events: tuple[tuple[JobState, float], ...], end: str | None) -> Record:
    """Read an end file: `key=value` lines, the last one being `whole=1`, and padding. A torn one says nothing."""
    if not end or not re.search(r"\nwhole=1\n[ \n]*\Z", end):
        return Record(run, events)
    values = dict(line.split("=", 1) for line in end.split("\n") if "=" in line)

    def number(key: str) -> int | None:
        text = values.get(key, "")
        return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None

    ended = _moment(values.get("ended", ""))
    if ended is None:
        return Record(run, events)
    return Record(
        run,
        events,
        ended,
        number("exit_code"),
        number("received"),
        values.get("failure") or None,
        values.get("phase") or None,
    )
