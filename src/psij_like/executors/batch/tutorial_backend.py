"""Carries batch plug-ins that are written in the style of the PSI/J tutorial.

Such a plug-in renders its own script, in which it runs `psij.launch_command`; here that command is the job's body, so
that exit codes, states, staging and environment are as right as with any other executor. Its methods see a command's
output only; what it says of states is believed, but a COMPLETED of its own needs the job's record beside it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from psij_like._engine.backend import Backend, Command, Refused, Unavailable, User
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.plan import Plan, script_data
from psij_like._engine.quote import shell_word
from psij_like._engine.render import render
from psij_like.exceptions import SubmitException
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor, InvalidJobStateError
from psij_like.job_status import Reason

_METHODS = (
    "generate_submit_script",
    "get_submit_command",
    "job_id_from_submit_output",
    "get_cancel_command",
    "process_cancel_command_output",
    "get_status_command",
    "parse_status_output",
)


class TutorialBackend(Backend):
    """What a plug-in's methods say, as a backend.

    Args:
        plug_in: the executor with the methods.
        user: see `Backend`.

    Raises:
        TypeError: a method is missing.
    """

    def __init__(self, plug_in: BatchSchedulerExecutor, user: User) -> None:
        super().__init__(user)
        missing = [name for name in _METHODS if not callable(getattr(plug_in, name, None))]
        if missing:
            raise TypeError(f"{type(plug_in).__name__} has neither a _BACKEND_ nor the method(s) {', '.join(missing)}")
        self._plug_in: Any = plug_in
        self.name = plug_in.name  # type: ignore[misc]  # a plug-in's name is known by its instance only
        self.install_hint = "install the scheduler's commands, or load the module that provides them"  # type: ignore[misc]

    cancels_many = False
    lists_all = False
    claims_by_id = False  # the plug-in's script started ours, which does not know what that is

    def directives(self, plan: Plan) -> list[str]:
        """None: the plug-in writes its script as a whole."""
        return []

    def extra_files(self, plan: Plan) -> Mapping[str, str]:
        """The body, which the plug-in's script starts."""
        return {f"launch.{plan.token}": render("tutorial", script_data(plan))}

    def script(self, plan: Plan) -> str:
        """See `Backend.script`."""
        text = io.StringIO()
        self._plug_in.generate_submit_script(plan.job, self._context(plan), text)
        return text.getvalue()

    def _context(self, plan: Plan) -> dict[str, object]:
        attributes: dict[str, list[dict[str, object]]] = {}
        for name, value in (plan.spec.attributes.custom_attributes or {}).items():
            owner, _, key = name.partition(".")
            attributes.setdefault(owner, []).append({"key": key, "value": value})
        return {
            "job": plan.job,
            "env": [],
            "custom_attributes": attributes,
            "formatted_job_duration": str(timedelta(seconds=plan.walltime)),
            "psij": {
                "launch_command": ["/bin/bash", "-p", shell_word(f"{plan.job_directory}/launch.{plan.token}")],
                "script_dir": plan.job_directory,
            },
        }

    def submit_command(self, plan: Plan, script: Path) -> Command:
        """See `Backend.submit_command`."""
        return _command(self._plug_in.get_submit_command(plan.job, script))

    def native_id(self, result: Result) -> str:
        """See `Backend.native_id`."""
        if result.exit_code != 0:
            raise Refused(str(result))
        try:
            native_id = self._plug_in.job_id_from_submit_output(result.stdout)
        except Exception as error:
            raise ValueError(f"no job id in {result} ({error})") from error
        if not isinstance(native_id, str) or not native_id.strip():
            raise ValueError(f"no job id in {result}, but {native_id!r}")
        return native_id.strip()

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.cancel_command`."""
        return _command(self._plug_in.get_cancel_command(native_ids[0]))

    def check_cancel(self, result: Result) -> None:
        """See `Backend.check_cancel`."""
        try:
            self._plug_in.process_cancel_command_output(result.exit_code, result.stdout + result.stderr)
        except InvalidJobStateError:
            return
        except SubmitException as error:
            raise Refused(error.message, transient=error.transient) from error

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.status_command`."""
        return _command(self._plug_in.get_status_command(list(native_ids)))

    def reports(self, result: Result) -> Mapping[str, Report]:
        """See `Backend.reports`."""
        out = result.stdout if result.exit_code == 0 else result.stdout + result.stderr
        try:
            statuses = self._plug_in.parse_status_output(result.exit_code, out)
        except Exception as error:
            raise Unavailable(f"{result}: {error}") from error
        return {
            native_id: Report(
                native_id,
                status.state,
                message=status.message,
                exit_code=status.exit_code,
                reason=status.reason if isinstance(status.reason, Reason) else None,
            )
            for native_id, status in statuses.items()
        }


def _command(argv: Sequence[str]) -> Command:
    return Command(tuple(map(str, argv)))
