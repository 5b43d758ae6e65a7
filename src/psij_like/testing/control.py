"""What the owner of a simulated cluster asks of its daemon, beside the commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from psij_like.testing.faults import KINDS, Fault
from psij_like.testing.jobs import Cause, Job

if TYPE_CHECKING:
    from psij_like.testing.server import Server


class Control:
    """Answers `SimulatedCluster`'s requests. LookupError: there is no such job or node; ValueError: it can't be."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._model = server.model
        # Somebody else than the owner of the jobs, even where root tests.
        self.admin_id = 0 if os.getuid() else 64030
        self._acts: Mapping[str, Callable[..., Any]] = {
            "stop": server.over.set,
            "calls": lambda: server.calls,
            "job": self._job,
            "step": self._step,
            "populate": self._populate,
            "fault": self._fault,
            "clear_faults": self._clear_faults,
            "down": self._model.down,
            "up": self._model.up,
            "lag": self._lag,
            "forget": lambda job: self._each(job, self._model.forget),
            "cancel_as_admin": lambda job: self._each(job, self._cancel),
            "hold_as_admin": lambda job: self._each(job, lambda one: self._model.hold(one, admin=True)),
            "release": lambda job: self._each(job, self._model.release),
            "requeue": lambda job: self._each(job, self._model.requeue),
            "preempt": lambda job, requeue: self._each(job, lambda one: self._model.preempt(one, requeue=requeue)),
            "fail_node": lambda node: self._model.fail_node(self._node(node)),
            "restore_node": lambda node: self._model.restore_node(self._node(node)),
        }

    def obey(self, act: str, arguments: Mapping[str, Any]) -> Any:
        """Do it, and give back what JSON can carry."""
        return self._acts[act](**arguments)

    def _find(self, native_id: str) -> list[Job]:
        jobs = self._model.find(native_id)
        if not jobs:
            raise LookupError(f"the simulated cluster has no job {native_id!r}")
        return jobs

    def _node(self, name: str) -> str:
        if name not in self._model.nodes:
            raise LookupError(f"the simulated cluster has no node {name!r}; it has {', '.join(self._model.nodes)}")
        return name

    def _each(self, native_id: str, act: Callable[[Job], object]) -> None:
        for job in self._find(native_id):
            act(job)

    def _cancel(self, job: Job) -> None:
        self._model.end(job, Cause.CANCELLED, by=self.admin_id)

    def _job(self, job: str) -> dict[str, Any]:
        found = self._find(job)
        if len(found) > 1:
            raise LookupError(
                f"{job!r} is an array: ask for one of {', '.join(one.native_id for one in found[:5])}, ..."
            )
        one = found[0]
        return {
            "native_id": one.native_id,
            "state": one.state.name,
            "wait": one.wait.name,
            "cause": one.cause.name if one.cause else None,
            "exit_code": one.exit_code,
            "signal": one.signal,
            "runs": one.runs,
            "nodes": list(one.nodes),
            "start": one.start,
            "end": one.end,
            "pid": self._server.runner.pid(one),
        }

    def _step(self, job: str, code: int) -> None:
        for one in self._model.find(job):
            one.steps.append(code)

    def _lag(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"lists can not show the states of {-seconds:g} seconds ahead")
        self._model.lag(seconds)

    def _populate(self, count: int, running: float) -> list[str]:
        if count < 0 or not 0 <= running <= 1:
            raise ValueError(f"{count} jobs, a share of {running:g} of them running: there are no such")
        jobs = list(self._server.personality.pretend_jobs(count, running))
        self._model.populate(jobs)
        return [job.native_id for job in jobs]

    def _fault(self, command: str | None, kind: str, **how: Any) -> None:
        commands = self._server.personality.commands()
        if kind not in KINDS:
            raise ValueError(f"there is no fault {kind!r}; there are {', '.join(sorted(KINDS))}")
        if command is not None and command not in commands:
            raise ValueError(f"this cluster has no command {command!r}; it has {', '.join(sorted(commands))}")
        if not 0 <= how.get("rate", 1) <= 1:
            raise ValueError(f"the rate of a fault is between 0 and 1, not {how['rate']:g}")
        self._server.faults.add(Fault(kind, command, **how))

    def _clear_faults(self) -> None:
        self._server.faults.clear()
        self._model.lag(0)
