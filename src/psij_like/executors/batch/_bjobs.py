"""What `bjobs` prints of jobs, as the fields of its list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from psij_like._engine.backend import Unavailable
from psij_like._engine.figures import seconds, size
from psij_like._engine.host import Result
from psij_like.job_info import JobUsage


def records(result: Result) -> Iterator[dict[str, str]]:
    """The jobs in what `bjobs -json` printed; those of which it says that they are not found are left out."""
    try:
        records = json.loads(result.stdout)["RECORDS"]
    except (ValueError, KeyError, TypeError, RecursionError):
        if not result.stdout.strip() and re.search("No (unfinished |matching )?job", result.stderr):
            return
        raise Unavailable(str(result)) from None
    for record in records if isinstance(records, list) else ():
        if isinstance(record, dict) and "ERROR" not in record and isinstance(record.get("JOBID"), str):
            yield {name: value for name, value in record.items() if isinstance(value, str)}


def long_records(result: Result) -> Iterator[dict[str, str]]:
    """The jobs in what `bjobs -UF` printed, as the fields of the other form."""
    for text in re.split(r"^-{20,}$|^(?=Job <)", result.stdout, flags=re.MULTILINE):
        head = re.match(r"Job <([0-9]+(?:\[[0-9]+\])?)>.* Status <([A-Z_]+)>", text)
        if head:
            code = re.search(r": Exited with exit code ([0-9]+)\.", text)
            signal = re.search(r": Exited by signal ([0-9]{1,2})\.", text)
            started = re.search(r"^[^<]*: (?:\[[0-9]+\] s|S)tarted ", text, re.MULTILINE)
            why = re.search(r"Completed <exit>; (TERM_\w+)", text)
            waits = re.search(r"PENDING REASONS:\n (.*)", text)
            yield {
                "JOBID": head[1],
                "STAT": head[2],
                "START_TIME": "known" if started else "",
                "EXIT_CODE": code[1] if code else str(128 + int(signal[1])) if signal else "",
                "EXIT_REASON": why[1] if why else "",
                "PEND_REASON": waits[1] if waits else "",
            }


def usage(text: str) -> JobUsage | None:
    """What a job has used, by what `bjobs -UF` printed of it; None if that says nothing."""
    cpu_time = re.search(r"The CPU time used is ([0-9.]+) seconds", text)
    memory = re.search(r"MAX MEM: ([0-9.]+ ?[KMGT]?bytes)", text) or re.search(r"\bMEM: ([0-9.]+ ?[KMGT]?bytes)", text)
    if cpu_time is None and memory is None:
        return None
    return JobUsage(cpu_time=seconds(cpu_time[1]) if cpu_time else None, max_memory=size(memory[1]) if memory else None)
