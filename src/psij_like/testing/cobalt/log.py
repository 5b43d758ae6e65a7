"""The .cobaltlog of a job: what Cobalt writes of its way, at the place that the job names."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from psij_like.testing.cobalt import words
from psij_like.testing.jobs import Cause, Job

DELETED = "Info: user delete requested; removing job from the queue"
KILLED = "Info: user delete requested with signal SIGTERM by user {}"
_OVER = "Info: maximum execution time exceeded; initiating job {}"
_EXITED = "Info: task completed normally with an exit code of {}; initiating job cleanup and removal"


def begin(job: Job, argv: Sequence[str]) -> None:
    """What qsub writes."""
    directory = job.script.directory if job.script else "/"
    first = f"Jobid: {job.native_id}\nqsub {' '.join(argv)}\n"
    _append(job, f"{first}{words.moment(job.submitted)} submitted with cwd set to: {directory}\n")


def write(job: Job, *texts: str) -> None:
    """Lines with the time before them."""
    now = words.moment(time.time())
    _append(job, "".join(f"{now} {text}\n" for text in texts))


def start(job: Job, environment: Mapping[str, str]) -> None:
    """What is written when the script is started."""
    script = job.script
    if script is None:
        return
    given = words.variables(job.options["env"]) if "env" in job.options else {}
    variables = {"COBALT_JOBID": job.native_id, **given}
    named = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    place = ["--nf", environment["COBALT_NODEFILE"], "--jobid", job.native_id, "--cwd", script.directory]
    argv = ["cobalt-launcher", *place, *named, job.options["command"], *script.arguments]
    write(
        job,
        "",
        "Command: " + " ".join(f"'{word}'" for word in argv),
        "",
        "Environment:",
        *(f"{name}={value}" for name, value in {**environment, **given}.items()),
        "",
        f"Info: stdin received from {script.stdin}",
        f"Info: stdout sent to {script.stdout}",
        f"Info: stderr sent to {script.stderr}",
        "",
    )


def end(job: Job) -> list[str]:
    """What is written when the job has ended, but for the request of a deletion."""
    if job.runs == 0 or job.cause is Cause.CANCELLED:
        return []
    if job.cause is Cause.TIMEOUT:
        return [_OVER.format("termination"), _OVER.format("cleanup and removal")]
    return [_EXITED.format(128 + job.signal if job.signal else job.exit_code)]


def _append(job: Job, text: str) -> None:
    path = job.options.get("log")
    if path is None:
        return
    try:
        with Path(path).open("a", errors="surrogateescape") as file:
            file.write(text)
    except OSError:
        pass  # whoever has taken its directory away needs no log
