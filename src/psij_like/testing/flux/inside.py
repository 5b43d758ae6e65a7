"""The Flux instance of a job's own: `flux broker`, and what works within it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from psij_like.testing.flux import cli, ids
from psij_like.testing.jobs import Job, State
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call, Launch

if TYPE_CHECKING:
    from psij_like.testing.flux import FluxPersonality

_HOSTLIST = Options(
    [Option("expand", "e", "no"), Option("delimiter", "d"), Option("count", "c", "no"), Option("limit", "l")]
)


def nested_uri(flux: FluxPersonality, job: Job) -> str:
    """The URI of the job's own instance."""
    return f"local://{flux.directory}/job-{job.native_id}"


def job_of(flux: FluxPersonality, call: Call) -> Job | None:
    """The job in whose own instance the call is made, if it is made in one."""
    name = call.environment.get("FLUX_URI", "").rpartition("/")[2]
    job = next(iter(flux.model.find(name.removeprefix("job-"))), None) if name.startswith("job-") else None
    return job if job is not None and job.state not in (State.PENDING, State.ENDED) else None


def broker(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """Be one of a job's brokers: the first one runs the program, the others are not needed here."""
    words = list(argv)
    while words and words[0].startswith("-"):
        words.pop(0)
    try:
        native_id = ids.form(ids.number_of(call.environment.get("FLUX_JOB_ID", "")))
    except ValueError:
        native_id = ""
    job = next(iter(flux.model.find(native_id)), None)
    if job is None or not words:
        return Answer(1, "", "flux-broker: the simulated broker runs a program within a job only\n")
    if call.environment.get("FLUX_TASK_RANK", "0") != "0":
        return Answer()
    # As the flux command does, which puts its own directory first.
    path = os.pathsep.join(filter(None, (str(flux.directory / "bin"), call.environment.get("PATH"))))
    own = {"FLUX_URI": nested_uri(flux, job), "PATH": path}
    return Answer(launch=Launch(words, [own], job.nodes[:1], job=job.native_id))


def run(flux: FluxPersonality, call: Call, job: Job, argv: Sequence[str]) -> Answer:
    """`flux run` within a job's own instance: it starts the processes itself, on the job's nodes."""
    try:
        given, program = cli.parse("run", argv)
        asked = cli.jobspec("run", call, given, program)
    except cli.Usage as error:
        return error.answer
    options = dict(given)
    nodes = int(options.get("nodes", "0")) or None
    tasks = max(int(options.get("ntasks", options.get("nodes", "1"))), 1)
    cores = max(int(options.get("cores-per-task", "1")), 1)
    number = flux.clock.next()
    shown = ids.curled(ids.form(number))
    if tasks * cores > sum(job.slots_on) or (nodes or 1) > len(job.nodes):
        wanted = f"{nodes} node(s) with {cores} cores each" if nodes else f"{tasks} slot(s) with {cores} cores each"
        note = f"unsatisfiable request: need {wanted}, only {len(job.nodes)} eligible"
        return Answer(1, "", f"0.030s: job.exception {shown} type=alloc severity=0 {note}\n")
    used = job.nodes[: nodes or min(len(job.nodes), -(-tasks * cores // max(job.slots_on)))]
    block = -(-tasks // len(used))
    ranks = []
    for rank in range(tasks):
        ranks.append(
            {
                "FLUX_JOB_ID": shown,
                "FLUX_JOB_ID_PATH": f"/{ids.curled(job.native_id)}/{shown}",
                "FLUX_JOB_NNODES": str(len(used)),
                "FLUX_JOB_SIZE": str(tasks),
                "FLUX_TASK_LOCAL_ID": str(rank % block),
                "FLUX_TASK_RANK": str(rank),
                "PMI_RANK": str(rank),
                "PMI_SIZE": str(tasks),
            }
        )
    names = [used[min(rank // block, len(used) - 1)] for rank in range(tasks)]
    task = asked["tasks"][0]["command"]
    # What can't be started exits with what a shell would.
    words = ["/bin/sh", "-c", 'exec "$@"', "flux-shell", *task]
    return Answer(launch=Launch(words, ranks, names, "label-io" in options, None, job.native_id))


def hostlist(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux hostlist [--expand] [--delimiter=D] [SOURCE]`."""
    try:
        given, sources = _HOSTLIST.parse(argv, mixed=True)
    except OptionError as error:
        return Answer(2, "", f"flux-hostlist: error: {error}\n")
    options = dict(given)
    names = _hosts(flux, call, sources[0] if sources else "avail")
    if names is None:
        return Answer(1, "", f"flux-hostlist: ERROR: Invalid jobid or hostlist {sources[0]}\n")
    if "count" in options:
        return Answer(0, f"{len(names)}\n")
    if "expand" in options:
        return Answer(0, options.get("delimiter", " ").join(names) + "\n")
    return Answer(0, ",".join(names) + "\n")


def _hosts(flux: FluxPersonality, call: Call, source: str) -> list[str] | None:
    job = job_of(flux, call)
    if source in ("local", "avail", "all", "instance"):
        return list(job.nodes if job is not None else flux.model.nodes)
    try:
        found = flux.model.find(ids.form(ids.number_of(source)))
    except ValueError:
        return None
    return list(found[0].nodes) if found else None


def getattr_(flux: FluxPersonality, call: Call, argv: Sequence[str]) -> Answer:
    """`flux getattr NAME`."""
    job = job_of(flux, call)
    nodes = list(job.nodes if job is not None else flux.model.nodes)
    facts = {
        "broker.pid": str(os.getpid()),
        "hostlist": ",".join(nodes),
        "instance-level": "0" if job is None else "1",
        "local-uri": flux.variable_value(flux.directory) if job is None else nested_uri(flux, job),
        "rank": "0",
        "size": str(len(nodes)),
        "version": flux.version,
        "security.owner": str(os.getuid()),
    }
    name = argv[-1] if argv else ""
    if name not in facts:
        return Answer(1, "", f"flux-getattr: {name}: No such file or directory\n")
    return Answer(0, f"{facts[name]}\n")
