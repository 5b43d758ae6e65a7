"""The long forms: `bjobs -l`, `bjobs -UF`, `bhist`, and the report in a job's output file."""

from __future__ import annotations

import os
import re
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Cause, Job, State
from psij_like.testing.lsf import words
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.lsf import LsfPersonality

_SCHEDULING = """
 SCHEDULING PARAMETERS:
           r15s   r1m  r15m   ut      pg    io   ls    it    tmp    swp    mem
 loadSched   -     -     -     -       -     -    -     -     -      -      -  \n\
 loadStop    -     -     -     -       -     -    -     -     -      -      -  \n\
"""
_RULE = "-" * 78
_SHORT_RULE = "-" * 60
_SUMMARY = """Summary of time in seconds spent in various states by  {now}
  PEND     PSUSP    RUN      USUSP    SSUSP    UNKWN    TOTAL
  {pend:<8} 0        {run:<8} 0        0        0        {total:<8}    """


def long(lsf: LsfPersonality, jobs: Iterable[Job], *, unformatted: bool) -> str:
    """Jobs as `bjobs -l` shows them. `unformatted` (-UF): with the starts in other words."""
    return f"{_RULE}\n".join(_long(lsf, job, unformatted=unformatted) for job in jobs) + "\n"


def _long(lsf: LsfPersonality, job: Job, *, unformatted: bool) -> str:
    options, flavour = job.options, lsf.flavour
    name = f"Job Name <{job.name}>, " if "J" in options else ""
    head = (
        f"Job <{job.native_id}>, {name}User <{lsf.user_name}>, Project <{options.get('P', 'default')}>, "
        f"Status <{words.status(job, flavour)}>, Queue <{job.queue}>, Command <{options.get('command', '')}>"
    )
    lines = ["", head, f"{words.long_time(job.submitted)}: Submitted from host <{lsf.host}>{_particulars(lsf, job)};"]
    if job.request.walltime is not None and "W" in options:
        lines += ["", " RUNLIMIT                ", f" {job.request.walltime / 60:.1f} min".ljust(25)]
    if job.request.memory is not None:
        lines += ["", " MEMLIMIT", f" {job.request.memory // 1024} K"]
    if job.runs and job.start is not None:
        lines.append(
            f"{words.long_time(job.start)}: {_started(job, unformatted=unformatted)}, {_surroundings(lsf, job)};"
        )
    if job.state is State.ENDED and job.end is not None:
        lines += [f"{words.long_time(job.end)}: {text}" for text in end(lsf, job)]
    elif job.state is State.PENDING:
        lines += [" PENDING REASONS:", f" {words.waiting(job)}: 1 host;"]
    elif job.state is State.SUSPENDED:
        lines += [" SUSPENDING REASONS:", " The job was suspended by user;"]
    combined = f"select[type == local] order[r15s:pg] {' '.join(re.findall(r'span.[^]]*]', options.get('R', '')))}"
    effective = combined if job.runs else "-"
    needs = [" RESOURCE REQUIREMENT DETAILS:", f" Combined: {combined}".rstrip(), f" Effective: {effective}".rstrip()]
    return "\n".join([*lines, _SCHEDULING, *needs, ""])


def _particulars(lsf: LsfPersonality, job: Job, queue: str = "") -> str:
    """What a submission asked for, as the line of it tells."""
    options = job.options
    parts = [" with hold" if "H" in options else "", queue, f", CWD <{lsf.shown(options['submit-directory'])}>"]
    for names, label in (("oo o", "Output File"), ("eo e", "Error File"), ("w", "Dependency Condition")):
        value = next((options[name] for name in names.split() if name in options), None)
        if value is not None:
            parts.append(f", {label} <{value}>")
    if job.request.tasks > 1:
        parts.append(f", {job.request.tasks} Processors Requested")
    if "R" in options:
        parts.append(f", Requested Resources <{options['R']}>")
    if "x" in options:
        parts.append(", Exclusive Execution")
    return "".join(parts)


def _started(job: Job, *, unformatted: bool) -> str:
    slots = [f"<{name}>" for name, count in zip(job.nodes, job.slots_on, strict=True) for _ in range(count)]
    if unformatted:
        count, hosts = len(slots), " ".join(slots)
        return f"Started {count} Task(s) on Host(s) {hosts}, Allocated {count} Slot(s) on Host(s) {hosts}"
    where = slots[0] if len(slots) == 1 else f"{len(slots)} Hosts/Processors {' '.join(slots)}"
    return f"Started on {where}" if job.index is None else f"[{job.index}] started on {where}"


def _surroundings(lsf: LsfPersonality, job: Job) -> str:
    directory = job.script.directory if job.script else "/"
    return f"Execution Home <{lsf.home}>, Execution CWD <{directory}>"


def end(lsf: LsfPersonality, job: Job) -> list[str]:
    """How a job ended, a line for each sentence."""
    cpu = "The CPU time used is 0.0 seconds."
    code = words.exit_code(job, lsf.flavour)
    if code == 0:
        return [f"Done successfully. {cpu}"]
    if code is None:
        texts = ["Exited"]
    elif job.signal and job.cause is not Cause.SIGNALLED:
        texts = [f"Exited by signal {job.signal}. {cpu}"]
    else:
        texts = [f"Exited with exit code {code}. {cpu}"]
    reason = words.exit_reason(job, job.user_id)
    if lsf.flavour == words.IBM:
        texts.append(f"Completed <exit>; {reason}." if reason else "Completed <exit>.")
    return texts


def bhist(lsf: LsfPersonality, call: Call) -> Answer:
    """What became of jobs: a table of times, or with -l their stories."""
    try:
        given, ids = words.options("bhist", call.argv, "u n q J", "a l d e r p s w b h V")
    except words.Refusal as error:
        return Answer(255, "", f"{error}\n")
    options = dict(given)
    jobs = [job for native_id in ids for job in lsf.find(native_id)] if ids else list(lsf.model.listing())
    if not ids and "a" not in options:
        jobs = [job for job in jobs if job.state is not State.ENDED]
    if not jobs:
        return Answer(255, "", "No matching job found\n")
    if "l" in options:
        return Answer(0, f"{_RULE}\n".join(_story(lsf, job) for job in jobs))
    lines = ["Summary of time in seconds spent in various states:"]
    lines.append("JOBID   USER    JOB_NAME  PEND    PSUSP   RUN     USUSP   SSUSP   UNKWN   TOTAL")
    for job in jobs:
        pend, run = _times(lsf, job)
        name = job.name if len(job.name) <= 9 else f"*{job.name[-8:]}"
        counts = f"{pend:<7} 0       {run:<7} 0       0       0       {pend + run:<10}"
        lines.append(f"{job.native_id:<7} {lsf.user_name[:7]:<7} {name:<9} {counts}")
    return Answer(0, "\n".join(lines) + ("\n" if ids or "a" in options else "\n\n"))


def _times(lsf: LsfPersonality, job: Job) -> tuple[int, int]:
    over = job.end or lsf.model.now()
    start = job.start if job.runs and job.start is not None else over
    return int(start - job.submitted), int(over - start)


def _story(lsf: LsfPersonality, job: Job) -> str:
    options = job.options
    name = f"Job Name <{job.name}>, " if "J" in options else ""
    project, command = options.get("P", "default"), options.get("command", "")
    head = f"Job <{job.native_id}>, {name}User <{lsf.user_name}>, Project <{project}>, Command <{command}>"
    particulars = _particulars(lsf, job, f", to Queue <{job.queue}>")
    lines = ["", head, f"{words.long_time(job.submitted)}: Submitted from host <{lsf.host}>{particulars};"]
    if job.request.walltime is not None and "W" in options:
        lines += ["", " RUNLIMIT                ", f" {job.request.walltime / 60:.1f} min".ljust(25)]
    if job.runs and job.start is not None:
        at, hosts = words.long_time(job.start), ", ".join(f"<{name}>" for name in job.nodes)
        lines += [f"{at}: Dispatched to {hosts};", f"{at}: Starting;"]
        lines += _wrapped(f"{at}: Running with {_surroundings(lsf, job).replace('Execution Home', 'execution home')};")
    if job.state is State.ENDED and job.end is not None:
        at = words.long_time(job.end)
        if job.cause is Cause.CANCELLED:
            who = lsf.user_name if job.ended_by in (None, job.user_id) else "root"
            lines += _wrapped(f"{at}: Signal <KILL> requested by user or administrator <{who}>;")
        lines += [line for text in end(lsf, job) for line in _wrapped(f"{at}: {text.rstrip('.')};")]
    pend, run = _times(lsf, job)
    summary = _SUMMARY.format(now=words.long_time(job.end or time.time()), pend=pend, run=run, total=pend + run)
    return "\n".join([*lines, "", summary, ""])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 80, subsequent_indent=" " * 21)


def write_report(lsf: LsfPersonality, job: Job) -> None:
    """Put what a job printed where it is to be, after LSF's report of it. A file that can't be written is no error."""
    if job.script is None or job.runs == 0:
        return
    base = lsf.file_of(job)
    for names, ending in (("oo o", ".out"), ("eo e", ".err")):
        name = next((one for one in names.split() if one in job.options), None)
        kept = Path(f"{base}{ending}")
        if name is not None and job.options[name] != "/dev/null":
            text = job.options[name].replace("%J", str(job.number)).replace("%I", str(job.index or 0))
            path = os.path.join(job.options["submit-directory"], text)  # noqa: PTH118 - a Path would change the text
            try:
                report = _report(lsf, job).encode("utf-8", "surrogateescape") if ending == ".out" else b""
                with open(path, "wb" if name in ("oo", "eo") else "ab") as file:  # noqa: PTH123
                    file.write(report + (kept.read_bytes() if kept.exists() else b""))
            except OSError:
                pass
        kept.unlink(missing_ok=True)
    for ending in (".shell", ".hostfile"):
        Path(f"{base}{ending}").unlink(missing_ok=True)


def _report(lsf: LsfPersonality, job: Job) -> str:
    code = words.exit_code(job, lsf.flavour)
    hosts = ",".join(
        f"<{name}>" if slots == 1 else f"<{slots}*{name}>" for name, slots in zip(job.nodes, job.slots_on, strict=True)
    )
    reason = words.exit_reason(job, job.user_id) if lsf.flavour == words.IBM else ""
    verdict = "Successfully completed." if code == 0 else f"Exited with exit code {code}."
    directory = job.script.directory if job.script else "/"
    return f"""Sender: LSF System <{lsf.admin}@{lsf.host}>
Subject: Job {job.native_id}: <{job.name}> {"Done" if code == 0 else "Exited"}

Job <{job.name}> was submitted from host <{lsf.host}> by user <{lsf.user_name}>.
Job was executed on host(s) {hosts}, in queue <{job.queue}>, as user <{lsf.user_name}>.
<{lsf.home}> was used as the home directory.
<{directory}> was used as the working directory.
Started at {time.ctime(job.start or 0)}
Results reported at {time.ctime(job.end or 0)}

Your job looked like:

{_SHORT_RULE}
# LSBATCH: User input
{job.options.get("text", job.options.get("command", ""))}
{_SHORT_RULE}

{f"{reason}.{chr(10)}" if reason else ""}{verdict}

Resource usage summary:

    CPU time   :      0.00 sec.

The output (if any) follows:

"""
