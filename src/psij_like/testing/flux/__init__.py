"""Flux, as recorded on flux-core 0.88, by its command `flux`.

There are no queues unless the setting `queues` says so. Only options that are simulated, or that change nothing which
can be seen here, are known. A job's own instance knows `flux run`, `hostlist` and `getattr`, no jobs that wait.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from psij_like.testing.flux import cli, control, ids, inside, listing, shell, submission
from psij_like.testing.flux import record as of
from psij_like.testing.flux.record import DESCRIPTIONS, Note, Record
from psij_like.testing.jobs import Cause, Job, State
from psij_like.testing.model import Model
from psij_like.testing.personality import Answer, Call, Personality
from psij_like.testing.settings import Settings

_Act = Callable[["FluxPersonality", Call, Sequence[str]], Answer]
_ACTS: Mapping[str, _Act] = {
    "broker": inside.broker,
    "cancel": control.cancel,
    "getattr": inside.getattr_,
    "hostlist": inside.hostlist,
    "job eventlog": control.eventlog,
    "job id": control.id_,
    "job raise": control.raise_,
    "job submit": submission.job_submit,
    "job urgency": control.urgency,
    "jobs": listing.jobs,
    "run": cli.run,
    "submit": cli.submit,
}
_WITHOUT_INSTANCE = ("broker", "job id", "version")


class FluxPersonality(Personality):
    """See the module."""

    name = "flux"
    command_names = ("flux",)
    variable = "FLUX_URI"
    kill: ClassVar[tuple[tuple[int, bool], ...]] = ((signal.SIGTERM, True),)
    kill_at_limit: ClassVar[tuple[tuple[int, bool], ...]] = ((signal.SIGALRM, True),)
    dead_dependency_ends = True

    def __init__(self, model: Model, settings: Settings, directory: Path) -> None:
        super().__init__(model, dataclasses.replace(settings, queues=settings.queues or {"default": None}), directory)
        self.queues = settings.queues
        self.clock = ids.Clock()
        self.records: dict[str, Record] = {}
        self.after_start: dict[str, list[Job]] = {}  # which jobs wait for the start of which
        self.user_name = self.bare_environment()["USER"]
        self.version = settings.version or "0.88.0"

    @classmethod
    def variable_value(cls, directory: Path) -> str:
        """See `Personality.variable_value`."""
        return f"local://{directory}/local-0"

    def prepare(self) -> None:
        """See `Personality.prepare`."""
        for name in ("tasks", "output"):
            (self.directory / name).mkdir()
        shutil.copy(shell.__file__, self.directory / "shell.py")

    # ---- Commands

    def commands(self) -> Mapping[str, Callable[[Call], Answer]]:
        """See `Personality.commands`."""
        return {"flux": self._flux}

    def _flux(self, call: Call) -> Answer:
        name, argv = _split(call.argv)
        if name in ("version", "--version", "-V"):
            return Answer(0, f"commands:    \t\t{self.version}\nlibflux-core:\t\t{self.version}\n")
        if name not in _ACTS:
            return Answer(1, "", f"flux: `{name}' is not a flux command.  See 'flux --help'\n")
        problem = self._no_instance(call, name)
        if problem is not None:
            return problem
        job = inside.job_of(self, call)
        if job is not None and name == "run":
            return inside.run(self, call, job, argv)
        return _ACTS[name](self, call, argv)

    def _no_instance(self, call: Call, name: str) -> Answer | None:
        """What is said if FLUX_URI names no instance that is there."""
        uri = call.environment.get("FLUX_URI", self.variable_value(self.directory))
        own = uri.startswith(f"local://{self.directory}/")
        if name in _WITHOUT_INSTANCE or (own and (not self.model.is_down or inside.job_of(self, call) is not None)):
            return None
        connector, _, path = uri.rpartition("://")
        if connector == "local":
            problem = f"broker socket {path} was not found"
        else:
            problem = f"Unable to find connector name '{connector or path}'"
        word, _, more = name.partition(" ")
        if more or word in ("getattr", "hostlist"):
            return Answer(1, "", f"flux-{word}: flux_open: No such file or directory\n")
        return Answer(1, "", f"flux-{word}: ERROR: Unable to connect to Flux: {problem}\n")

    def unreachable(self, call: Call) -> Answer | None:
        """See `Personality.unreachable`."""
        return self._no_instance(call, _split(call.argv)[0])

    def failure(self, call: Call) -> Answer:
        """See `Personality.failure`."""
        word = _split(call.argv)[0].partition(" ")[0]
        return Answer(1, "", f"flux-{word}: Broken pipe\n" if word == "job" else "[Errno 32] EPIPE: Broken pipe\n")

    # ---- Jobs

    def record(self, job: Job) -> Record:
        """What Flux knows of a job."""
        return self.records.setdefault(job.native_id, Record())

    def output_file(self, number: int) -> Path:
        """Where the output of a job goes that names no file."""
        return self.directory / "output" / str(number)

    def pretend_id(self, number: int) -> str:
        """See `Personality.pretend_id`."""
        return ids.form(ids.pretended(number))

    def note(self, job: Job, note: Note) -> None:
        """An exception befalls a job; of those that end it, the first one counts."""
        record = self.record(job)
        if note.severity or of.fatal(record.notes) is None:
            record.notes.append(note)
            job.row = None

    def refuse_the_impossible(self, job: Job) -> None:
        """End a job, unless it is held, that can never have what it asks for."""
        if job.obstacle is not None and job.held is None and job.state is State.PENDING:
            self.note(job, Note(self.model.now(), "alloc", 0, job.obstacle, job.user_id))
            self.model.end(job, Cause.LAUNCH_FAILED)

    def starting(self, job: Job) -> None:
        """See `Personality.starting`: the shell is told what to do."""
        if job.script is None:
            return
        record = self.record(job)
        tasks, block = record.tasks, -(-record.tasks // max(len(job.nodes), 1))
        ranks = [
            {
                "FLUX_TASK_LOCAL_ID": str(rank % block),
                "FLUX_TASK_RANK": str(rank),
                "PMI_RANK": str(rank),
                "PMI_SIZE": str(tasks),
            }
            for rank in range(tasks)
        ]
        facts = {
            "argv": [submission.expanded(word, job.number, record.name) for word in record.program],
            "environment": {**job.script.environment, **self.environment(job)},
            "exit_timeout": record.exit_timeout,
            "host": job.nodes[0],
            "problem": str(self._problem_file(job)),
            "ranks": ranks,
        }
        path = self.directory / "tasks" / str(job.number)
        path.write_text(json.dumps(facts))
        words = [sys.executable, "-I", "-S", str(self.directory / "shell.py"), str(path)]
        job.script = dataclasses.replace(job.script, text=f"#!/bin/sh\nexec {shlex.join(words)}\n")

    def _problem_file(self, job: Job) -> Path:
        return self.directory / "tasks" / f"{job.number}.problem"

    def ended(self, job: Job) -> None:
        """See `Personality.ended`: what ended it is written down, and what can't start any more after it ends, too."""
        record, problem = self.record(job), self._problem_file(job)
        if problem.exists() and job.cause is Cause.EXITED:
            text = problem.read_bytes().decode(errors="surrogateescape")
            self.note(job, Note(self.model.now(), "exec", 0, text, job.user_id))
        if job.cause is Cause.DEPENDENCY:
            text = f"dependency {self._never(job)}"
            self.note(job, Note(self.model.now(), "dependency", 0, text, job.user_id))
        record.notes = of.notes(job, record)
        for path in (problem, self.directory / "tasks" / str(job.number)):
            path.unlink(missing_ok=True)
        if not job.runs:
            for other in self.after_start.get(job.native_id, ()):
                self.model.end(other, Cause.DEPENDENCY)

    def _never(self, job: Job) -> str:
        """The condition that can't be met any more, and why."""
        for one in job.dependencies:
            target = next(iter(self.model.find(one.native_id)), None)
            if target is None or target.state is not State.ENDED or one.kind == "afterany":
                continue
            if not target.runs or target.succeeded == (one.kind == "afternotok"):
                why = "can never be satisfied" if target.runs else "job never started"
                return f"{DESCRIPTIONS[one.kind]}={ids.curled(one.native_id)} {why}"
        return f"{','.join(self.record(job).dependencies)} can never be satisfied"

    def never_ran(self, kind: str, job: Job) -> bool | None:
        """See `Personality.never_ran`. It has an end, and no more."""
        return True if kind == "afterany" else None

    def environment(self, job: Job) -> Mapping[str, str]:
        """See `Personality.environment`."""
        return {
            "FLUX_JOB_ID": ids.curled(job.native_id),
            "FLUX_JOB_ID_PATH": f"/{ids.curled(job.native_id)}",
            "FLUX_JOB_NNODES": str(len(job.nodes)),
            "FLUX_JOB_SIZE": str(self.record(job).tasks),
            "FLUX_TERMINUS_SESSION": "0",
            "FLUX_URI": self.variable_value(self.directory),
            **dict([self.id_variable(job)]),
        }

    def id_variable(self, job: Job) -> tuple[str, str]:
        """See `Personality.id_variable`."""
        return "FLUX_KVS_NAMESPACE", f"job-{ids.number_of(job.native_id)}"

    def lost_directory_text(self, job: Job, problem: str) -> str:
        """See `Personality.lost_directory_text`."""
        where = f"Could not change dir to {self.record(job).directory}: {problem}. Going to /tmp instead"
        return f"0.042s: flux-shell[0]: ERROR: host {job.nodes[0]}: {where}\n"


def _split(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The subcommand's name, `job submit`, and its arguments."""
    size = 2 if argv[:1] == ["job"] else 1
    return " ".join(argv[:size]), argv[size:]
