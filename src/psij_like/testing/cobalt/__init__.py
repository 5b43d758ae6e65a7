"""Cobalt, as recorded on 1.0.33: whole nodes, exclusive, and jobs that vanish when they end.

Settings of its own: `minimum_minutes` (5; qsub refuses a shorter time), `qdel_seconds` (0; the real qdel takes a
second), `log_delay` (0; how long after a job's end its last line reaches the .cobaltlog, up to 2 s on the real one).
Only options that are simulated, or that change nothing which can be seen here, are known.
"""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from psij_like.testing.cobalt import control, listing, log, submission
from psij_like.testing.jobs import Cause, Job
from psij_like.testing.model import Model
from psij_like.testing.personality import Answer, Call, Personality
from psij_like.testing.settings import Settings

_NUMBERS = {"minimum_minutes": 5.0, "qdel_seconds": 0.0, "log_delay": 0.0}
_PROXY = 'No handlers could be found for logger "Proxy"\ncomponent error: '
_BROKEN = (
    "Following exception occurred while trying to execute queue-manager.{}: Proxy.py     :L#422:cn:queue-manager\n\n"
)
_UNREACHABLE = "Failed to connect to {0}: Proxy.py     :L#422:cn:{0}\n\n"
_FAILED = "component error: XMLRPC failure <Fault 1: 'timed out'> in queue-manager\n\n"


class CobaltPersonality(Personality):
    """See the module."""

    name = "cobalt"
    command_names = ("qdel", "qhold", "qrls", "qstat", "qsub")
    variable = "COBALT_CONFIG_FILES"
    kill: ClassVar[tuple[tuple[int, bool], ...]] = ((signal.SIGTERM, True),)

    @classmethod
    def check(cls, settings: Settings) -> None:
        """See `Personality.check`."""
        unknown = set(settings.extra) - set(_NUMBERS)
        if unknown:
            raise ValueError(f"{cls.name} has no setting {', '.join(sorted(unknown))}")
        for name, value in settings.extra.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"{name}: {value!r} is not a number of at least 0")

    def __init__(self, model: Model, settings: Settings, directory: Path) -> None:
        queues = settings.queues or {"default": None, "small": None}
        super().__init__(model, dataclasses.replace(settings, queues=queues), directory)
        chosen = {**_NUMBERS, **settings.extra}
        self.minimum_minutes, self.qdel_seconds, self._log_delay = (float(chosen[name]) for name in _NUMBERS)
        self.user_name = self.bare_environment()["USER"]
        self._noted: set[str] = set()  # whose deletion is in their logs

    def commands(self) -> Mapping[str, Callable[[Call], Answer]]:
        """See `Personality.commands`."""
        work: dict[str, Callable[[CobaltPersonality, Call], Answer]] = {
            "qdel": control.qdel,
            "qhold": control.qhold,
            "qrls": control.qrls,
            "qstat": listing.qstat,
            "qsub": submission.qsub,
        }

        def bound(act: Callable[[CobaltPersonality, Call], Answer]) -> Callable[[Call], Answer]:
            def answer(call: Call) -> Answer:
                if "--version" in call.argv[:1]:
                    return Answer(0, f'version: "{call.command}.py " + $Revision: 559 $ + , Cobalt  + $Version$\n')
                return act(self, call)

            return answer

        return {name: bound(act) for name, act in work.items()}

    def prepare(self) -> None:
        """See `Personality.prepare`."""
        super().prepare()
        (self.directory / "nodefiles").mkdir()

    # ---- Jobs

    def minimal_environment(self) -> dict[str, str]:
        """What each job has, whoever submits it: no PATH but that which a shell takes by itself."""
        return {name: value for name, value in self.bare_environment().items() if name != "PATH"}

    def starting(self, job: Job) -> None:
        """See `Personality.starting`."""
        self._nodefile(job).write_text("".join(f"{name}\n" for name in job.nodes))
        log.start(job, {**self.minimal_environment(), **self.environment(job)})

    def ended(self, job: Job) -> None:
        """See `Personality.ended`."""
        self._nodefile(job).unlink(missing_ok=True)
        if job.cause is Cause.CANCELLED:
            self.note_deletion(job, self.user_name if job.ended_by == job.user_id else "root")
        lines = log.end(job)
        if lines and self._log_delay:
            asyncio.get_running_loop().call_later(self._log_delay, lambda: log.write(job, *lines))
        elif lines:
            log.write(job, *lines)

    def note_deletion(self, job: Job, user: str) -> None:
        """Write once into a job's log that it is deleted."""
        if job.native_id not in self._noted:
            self._noted.add(job.native_id)
            log.write(job, log.KILLED.format(user) if job.runs else log.DELETED)

    def _nodefile(self, job: Job) -> Path:
        return self.directory / "nodefiles" / f"cobalt.{job.native_id}"

    def environment(self, job: Job) -> Mapping[str, str]:
        """See `Personality.environment`."""
        start = job.start or 0
        return {
            "COBALT_CONFIG_FILES": self.variable_value(self.directory),
            "COBALT_ENDTIME": str(int(start + (job.request.walltime or 0))),
            "COBALT_JOBID": job.native_id,
            "COBALT_JOBSIZE": str(len(job.nodes)),
            "COBALT_NODEFILE": str(self._nodefile(job)),
            "COBALT_PARTNAME": job.nodes[0] if job.nodes else "",
            "COBALT_PARTSIZE": str(len(job.nodes)),
            "COBALT_STARTTIME": str(int(start)),
        }

    def id_variable(self, job: Job) -> tuple[str, str]:
        """See `Personality.id_variable`."""
        return "COBALT_NODEFILE", str(self._nodefile(job))

    # ---- Trouble

    def unreachable(self, call: Call) -> Answer | None:
        """See `Personality.unreachable`."""
        broken = {"qstat": "get_queues", "qdel": "del_jobs"}
        if call.command in broken:
            return Answer(1, "", _PROXY + _BROKEN.format(broken[call.command]))
        server = "system" if call.command == "qsub" else "queue-manager"
        return Answer(1, "", _PROXY + _UNREACHABLE.format(server))

    def failure(self, call: Call) -> Answer:
        """See `Personality.failure`."""
        return Answer(1, "", _FAILED)
