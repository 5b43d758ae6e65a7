"""Pilots and their sessions. RADICAL-Pilot has no types: this file alone touches it."""

from __future__ import annotations

import atexit
import importlib
import math
import os
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakSet

from psij_like.exceptions import SubmitException
from psij_like.executors._rp.config import RPExecutorConfig

TaskListener = Callable[[str, str, int | None, str | None], None]
"""Hears of a task's uid, its state, its exit code, and what went wrong."""


_FINAL = frozenset(["DONE", "FAILED", "CANCELED"])


class Pilot:
    """A pilot that is started with its first task, and runs until nobody uses it, its time limit, or the program's end.

    A task that comes after its time limit starts another one.

    Args:
        resource: where it runs, as RADICAL-Pilot names it: `local.localhost`.
        config: how big it is, and how long it lives.
        directory: where the session's own files go.
        listener: hears of its tasks, on a thread of RADICAL-Pilot's.
        ended: called with it when it has ended: of the tasks in it nothing more is told.
    """

    def __init__(
        self,
        resource: str,
        config: RPExecutorConfig,
        directory: Path,
        listener: TaskListener,
        ended: Callable[[Pilot], None],
    ) -> None:
        self._resource = resource
        self._config = config
        self._directory = directory
        self._listener = listener
        self._ended = ended
        self._lock = threading.Lock()
        self._session: Any = None
        self._pilots: Any = None
        self._tasks: Any = None
        self._runs = False
        self._users: WeakSet[object] = WeakSet()
        self._process = os.getpid()

    def run(self, user: object, task: Mapping[str, object]) -> None:
        """Hand a task of a user's over, by its description.

        Raises:
            SubmitException: the pilot can not be started, or does not take the task.
        """
        with self._lock:
            radical = _radical()
            self._users.add(user)
            try:
                if self._session is None:
                    self._open(radical)
                if not self._runs:
                    self._start(radical)
                self._tasks.submit_tasks(radical.TaskDescription(dict(task)))
            except Exception as error:
                raise SubmitException(f"RADICAL-Pilot refused: {type(error).__name__}: {error}", error) from error

    def cancel(self, uid: str) -> None:
        """Have a task cancelled.

        Raises:
            SubmitException: this pilot does not run any more.
        """
        with self._lock:
            if self._tasks is None:
                raise SubmitException(f"job {uid} can not be cancelled: its pilot has ended")
            self._tasks.cancel_tasks(uid)

    def leave(self, user: object) -> None:
        """A user needs it no more: it ends with the last one."""
        with self._lock:
            self._users.discard(user)
            left = len(self._users)
        if not left:
            self._close()

    def _close(self) -> None:
        if os.getpid() != self._process:
            return  # a forked child's end is not that of the pilot
        with self._lock:
            session, self._session, self._tasks, self._runs = self._session, None, None, False
        atexit.unregister(self._close)
        if session is not None:
            session.close(terminate=True, download=False)
            self._ended(self)

    def _open(self, radical: Any) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        session = radical.Session(cfg={"base": str(self._directory)})
        try:
            self._pilots = radical.PilotManager(session=session)
            self._tasks = radical.TaskManager(session=session)
            self._tasks.register_callback(self._heard)
        except BaseException:
            session.close(terminate=True, download=False)
            raise
        self._session = session
        atexit.register(self._close)

    def _start(self, radical: Any) -> None:
        pilot = self._pilots.submit_pilots(radical.PilotDescription(self._description()))
        self._runs = True
        pilot.register_callback(self._heard_of_pilot)
        self._tasks.add_pilots(pilot)

    def _description(self) -> dict[str, object]:
        config = self._config
        wanted = {
            "resource": self._resource,
            "cores": None if config.nodes else config.cores,
            "gpus": config.gpus or None,
            "nodes": config.nodes,
            "runtime": math.ceil(config.runtime.total_seconds() / 60),
            "queue": config.queue,
            "project": config.project,
            "access_schema": config.access_schema,
        }
        return {"exit_on_error": False, **{name: value for name, value in wanted.items() if value is not None}}

    # RADICAL-Pilot calls with one and its state, or with several.

    def _heard(self, told: Any, state: str | None = None) -> None:
        for task in told if isinstance(told, list | set) else [told]:
            self._listener(task.uid, state or task.state, task.exit_code, task.exception_detail or task.exception)

    def _heard_of_pilot(self, told: Any, state: str | None = None) -> None:
        pilots = told if isinstance(told, list | set) else [told]
        if any(pilot.state in _FINAL for pilot in pilots):
            self._runs = False
            self._ended(self)


def _radical() -> Any:
    try:
        return importlib.import_module("radical.pilot")
    except ImportError as error:
        raise SubmitException(
            f"the executor rp needs RADICAL-Pilot ({error}): pip install 'psij-like[rp]'", error
        ) from error


_pilots: dict[Hashable, Pilot] = {}
_lock = threading.Lock()


def shared_pilot(
    resource: str, config: RPExecutorConfig, directory: Path, listener: TaskListener, ended: Callable[[Pilot], None]
) -> Pilot:
    """The pilot of this process for a resource, a size and a directory: one for all executors; see `Pilot`."""
    size = (config.cores, config.gpus, config.nodes, config.runtime)
    key = (resource, *size, config.queue, config.project, config.access_schema, directory)
    with _lock:
        pilot = _pilots.get(key)
        if pilot is None:
            pilot = _pilots[key] = Pilot(resource, config, directory, listener, ended)
        return pilot


def _start_afresh() -> None:
    global _lock  # noqa: PLW0603 - it may have been held by a thread that a forked child lacks
    _lock = threading.Lock()
    _pilots.clear()


os.register_at_fork(after_in_child=_start_afresh)
