"""`qstat`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from psij_like.testing.cobalt import words
from psij_like.testing.jobs import Job, State
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.cobalt import CobaltPersonality

_OPTIONS = Options(
    [
        Option("full", "f", "no"),
        Option("long", "l", "no"),
        Option("queues", "Q", "no"),
        Option("user", "u"),
        Option("header"),
        Option("sort"),
        Option("debug", "d", "no"),
        Option("verbose", "v", "no"),
    ]
)
_HEAD = "JobID:User:WallTime:Nodes:State:Location"
_FULL = (
    "JobID:JobName:User:WallTime:QueuedTime:RunTime:TimeRemaining:Nodes:State:Location:Mode:Procs:Preemptable:Queue"
    ":StartTime:Index"
)
_LONG = (
    "JobID:JobName:User:WallTime:QueuedTime:RunTime:TimeRemaining:Nodes:State:Location:Mode:Procs:Preemptable"
    ":User_Hold:Admin_Hold:Queue:StartTime:Index:SubmitTime:Path:OutputDir:ErrorPath:OutputPath:Envs:Command:Args"
    ":Kernel:KernelOptions:ION_Kernel:ION_KernelOptions:Project:Dependencies:S:Notify:Score:Maxtasktime:attrs:dep_frac"
    ":user_list:Geometry:Est_Start_Time"
)
_QUEUE_HEAD = "Name Users Groups MinTime MaxTime MaxRunning MaxQueued MaxUserNodes MaxNodeHours TotalNodes State"
_FIXED = {
    "mode": "script",
    "preemptable": "False",
    "index": "None",
    "kernel": "default",
    "kerneloptions": "None",
    "ion_kernel": "default",
    "ion_kerneloptions": "None",
    "notify": "None",
    "score": "  0.1  ",
    "maxtasktime": "None",
    "attrs": "{}",
    "dep_frac": "None",
    "geometry": "Any",
    "est_start_time": "-",
}


def qstat(cobalt: CobaltPersonality, call: Call) -> Answer:
    """List jobs. What has ended is not there any more."""
    try:
        given, names = _OPTIONS.parse(call.argv, mixed=True)
    except OptionError as error:
        usage = "Usage: qstat.py --help\nUsage: qstat.py [options] <jobid|queue> [...]\n\n"
        return Answer(
            2, "", f"{usage}qstat.py: error: {str(error).replace('unrecognized option', 'no such option:')}\n"
        )
    options = dict(given)
    if "queues" in options:
        rows = [[queue, *["None"] * 9, "running"] for queue in cobalt.settings.queues if not names or queue in names]
        return Answer(0 if rows else 1, words.table(_QUEUE_HEAD.split(), rows) if rows else "")
    for name in names:
        if not name.isdigit() and name not in cobalt.settings.queues:
            return Answer(1, "", f"{name} is not a valid jobid or queue name\n")
    jobs = [job for job in cobalt.model.listing() if job.state is not State.ENDED]
    if names:
        jobs = [job for job in jobs if job.native_id in names or job.queue in names]
    if options.get("user", cobalt.user_name) != cobalt.user_name:
        jobs = []
    if names and not jobs:
        return Answer(1)
    jobs.sort(key=lambda job: job.number)
    whole = "full" in options and "long" in options
    variable = "QSTAT_HEADER_FULL" if "full" in options else "QSTAT_HEADER"
    default = call.environment.get(variable) or (_LONG if whole else _FULL if "full" in options else _HEAD)
    head = (options.get("header") or default).split(":")
    width = max((len(job.native_id) for job in jobs), default=0)
    rows = []
    for job in jobs:
        facts = _facts(cobalt, job, width)
        rows.append(
            [words.short_state(job) if whole and name == "S" else facts.get(name.lower(), "-") for name in head]
        )
    if "long" not in options:
        return Answer(0, words.table(head, rows))
    column = max((len(name) for name in head[1:]), default=0)
    blocks = []
    for row in rows:
        lines = [f"    {name:<{column}} : {text}" for name, text in zip(head[1:], row[1:], strict=True)]
        blocks.append("\n".join([f"{head[0]}: {row[0]}", *lines]) + "\n\n")
    return Answer(0, "".join(blocks))


def _facts(cobalt: CobaltPersonality, job: Job, width: int) -> Mapping[str, str]:
    """What is known of a job, by the columns' names in small letters."""
    now = time.time()
    script, options, limit = job.script, job.options, job.request.walltime or 0
    start = job.start if job.runs else None
    started = start is not None and script is not None
    return {
        **_FIXED,
        "jobid": job.native_id.rjust(width),
        "jobname": job.name,
        "user": cobalt.user_name,
        "walltime": words.clock(limit),
        "queuedtime": words.clock((now if start is None else start) - job.submitted),
        "runtime": "N/A" if start is None else words.clock(now - start),
        "timeremaining": "N/A" if start is None else words.clock(limit - (now - start)),
        "nodes": str(job.request.nodes or 1),
        "state": words.state(job),
        "short_state": words.short_state(job),
        "location": ",".join(job.nodes) or "None",
        "procs": options.get("proccount", str(job.request.tasks)),
        "user_hold": str(words.state(job) == "user_hold"),
        "admin_hold": str(words.state(job) == "admin_hold"),
        "queue": job.queue,
        "starttime": "N/A" if start is None else words.moment(start),
        "submittime": words.moment(job.submitted),
        "path": options.get("path", ""),
        "outputdir": os.path.dirname(options.get("log", "/")),  # noqa: PTH120
        "errorpath": str(script.stderr) if script and (started or "error" in options) else "None",
        "outputpath": script.stdout if script and (started or "output" in options) else "None",
        "envs": f"COBALT_JOBID={job.native_id}" if started else "",
        "command": options.get("command", ""),
        "args": " ".join(script.arguments) if script else "",
        "project": options.get("project", "None"),
        "dependencies": options.get("dependencies", "").replace(":", ", "),
        "user_list": cobalt.user_name,
    }
