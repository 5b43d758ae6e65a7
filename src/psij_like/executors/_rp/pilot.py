"""A pilot and its session. RADICAL-Pilot has no types: this file alone touches it."""

from __future__ import annotations

import atexit
import importlib
import math
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from psij_like.exceptions import SubmitException
from psij_like.executors._rp.config import RPExecutorConfig

TaskListener = Callable[[str, str, int | None, str | None], None]
"""Hears of a task's uid, its state, its exit code, and what went wrong."""


_FINAL = frozenset(["DONE", "FAILED", "CANCELED"])


class Pilot:
    """A pilot that is started with its first task, and runs until `close`, its time limit, or the end of the program.

    A task that comes after its time limit starts another one.

    Args:
        resource: where it runs, as RADICAL-Pilot names it: `local.localhost`.
        config: how big it is, and how long it lives.
        directory: where the session's own files go.
        listener: hears of its tasks, on a thread of RADICAL-Pilot's.
        ended: called there when it has ended: of the tasks in it nothing more is told.
    """

    def __init__(
        self,
        resource: str,
        config: RPExecutorConfig,
        directory: Path,
        listener: TaskListener,
        ended: Callable[[], None],
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

    def run(self, task: Mapping[str, object]) -> None:
        """Hand a task over, by its description.

        Raises:
            SubmitException: the pilot can not be started, or does not take the task.
        """
        with self._lock:
            radical = _radical()
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

    def close(self) -> None:
        """End the pilot, and its session."""
        with self._lock:
            session, self._session, self._tasks, self._runs = self._session, None, None, False
        atexit.unregister(self.close)
        if session is not None:
            session.close(terminate=True, download=False)

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
        atexit.register(self.close)

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
            self._ended()


def _radical() -> Any:
    try:
        return importlib.import_module("radical.pilot")
    except ImportError as error:
        raise SubmitException(
            f"the executor rp needs RADICAL-Pilot ({error}): pip install 'psij-like[rp]'", error
        ) from error
