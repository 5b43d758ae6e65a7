"""What is true of Flux; see `psij_like.executors.flux`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from psij_like._engine.backend import Backend, Command, Unavailable, User, refuse_gibberish
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like._engine.lines import LineReader
from psij_like._engine.plan import Plan, script_data
from psij_like._engine.quote import shell_word
from psij_like.dependencies import DependencyKind
from psij_like.executors._flux import ids, jobspec
from psij_like.executors._flux.news import End, end_report, waits
from psij_like.job_state import JobState

_FIELDS = (
    *("id.dec", "state", "result", "urgency", "waitstatus", "t_run", "t_inactive"),
    *("exception.severity", "exception.type", "exception.note"),
)
_WAITING = frozenset(["NEW", "DEPEND", "PRIORITY", "SCHED"])
_RESULTS = frozenset(["COMPLETED", "FAILED", "CANCELED", "TIMEOUT"])


class Flux(Backend):
    """What is true of Flux."""

    name = "flux"
    commands = ("flux",)
    install_hint = "install flux-core, or load the module that provides the flux command"
    native_ids = ids.FORM
    id_example = "f2WtWfV"
    option_names = r"[A-Za-z][A-Za-z0-9_.-]*"
    own_options = frozenset(
        f"{prefix}{name}"
        for prefix in ("", "system.")
        for name in ("cwd", "environment", "dependencies", "shell.options.output", "shell.options.exit-timeout")
    )
    passes_environment = False
    dependencies: ClassVar[Mapping[DependencyKind, str]] = {kind: str(kind) for kind in DependencyKind}
    # A job that never had its resources is none that failed, to Flux.
    verified: ClassVar[Mapping[DependencyKind, str]] = {DependencyKind.AFTERNOTOK: "afterany"}
    refused = (
        ("attributes.reservation_id", "Flux has no reservations"),
        ("resources.memory", "Flux hands out cores and GPUs, and no memory"),
    )
    own_variables = ("FLUX_", "PMI_", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "ROCR_VISIBLE_DEVICES")
    transient = (
        "Unable to connect to Flux|flux_open|Connection refused|Broken pipe|timed? ?out|Function not implemented"
        "|submission is disabled|connection to Flux"
    )
    cancel = ("flux", "job", "raise", "--severity=0", "--type=cancel")  # as flux-cancel does, which is slower
    hold = release = ("flux", "job", "urgency")
    ended_already = "job is inactive|unknown job id"
    trusted = True

    url: str | None = None
    """The instance; that of FLUX_URI if None."""
    command = "flux"
    """The flux command, on a node."""

    def __init__(self, user: User) -> None:
        super().__init__(user)
        self._list = LineReader(self._listed)

    def directives(self, plan: Plan) -> list[str]:
        """See `Backend.directives`: the jobspec, an attribute a line, but for the start of the script."""
        urgency = jobspec.urgency(self.custom(plan))
        made = self._jobspec(plan)
        told = jobspec.lines({name: value for name, value in made.items() if name != "tasks"})
        return told if urgency == jobspec.USUAL_URGENCY else [*told, f"urgency={urgency}"]

    def _jobspec(self, plan: Plan) -> dict[str, Any]:
        waits_for = [(self.dependency_word(job), job.native_id) for job in plan.dependencies]
        return jobspec.jobspec(plan, self.custom(plan), waits_for)

    def script(self, plan: Plan) -> str:
        """See `Backend.script`."""
        facts = {"nested": jobspec.nested(plan), "flux": shell_word(self.command)}
        return self.rendered({**script_data(plan), **facts})

    def extra_files(self, plan: Plan) -> Mapping[str, str]:
        """See `Backend.extra_files`."""
        return {f"jobspec.{plan.token}": json.dumps(self._jobspec(plan))}

    def submit_command(self, plan: Plan, script: Path) -> Command:
        """See `Backend.submit_command`."""
        urgency = f"--urgency={jobspec.urgency(self.custom(plan))}"
        return Command(("flux", "job", "submit", urgency, str(script.with_name(f"jobspec.{plan.token}"))))

    def native_id(self, result: Result) -> str:
        """See `Backend.native_id`."""
        if result.exit_code != 0:
            return super().native_id(result)
        if not result.stdout.endswith("\n"):
            raise ValueError(f"no whole job id in {result}")  # half an id is that of another job
        return ids.normalised(result.stdout.strip().rpartition("\n")[2])

    def cluster(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """See `Backend.cluster`. A job has its node's own FLUX_URI, so that is none of `cluster_variables`."""
        uri = self.url or inherited.get("FLUX_URI")
        return {"FLUX_URI": uri} if uri else {}

    def may_be_named(self, native_id: str) -> bool:
        """See `Backend.may_be_named`: in any form in which Flux writes ids."""
        try:
            return bool(ids.normalised(native_id))
        except ValueError:
            return False

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.hold_command`."""
        return Command((*self.hold, *native_ids, "hold"))

    def release_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.release_command`."""
        return Command((*self.release, *native_ids, "default"))

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """See `Backend.status_command`."""
        return Command(("flux", "jobs", "-a", "-n", "-c", "0", "-o", "|".join(f"{{{name}}}" for name in _FIELDS)))

    def reports(self, result: Result) -> Mapping[str, Report]:
        """See `Backend.reports`."""
        if result.exit_code != 0:
            raise Unavailable(str(result))
        refuse_gibberish(result, r"^[0-9]+\|")
        return self._list.read(result.stdout)

    def _listed(self, line: str) -> Report | None:
        fields = line.split("|", len(_FIELDS) - 1)
        if len(fields) != len(_FIELDS) or not re.fullmatch("[0-9]{1,20}", fields[0]):
            return None
        row = _Row(*fields)
        native_id = ids.form(int(row.number))
        if row.state in _WAITING:
            return waits(native_id, 0 if row.urgency == "0" else None, row.state)
        if row.state == "INACTIVE" and row.result in _RESULTS:
            end = End(int(row.status) if re.fullmatch("[0-9]{1,9}", row.status) else None)
            if row.severity == "0" and row.result != "COMPLETED":  # else it came too late
                end.kind, end.note = row.kind, row.note
            return end_report(native_id, end, self.user.id, _time(row.end))
        start = _time(row.start)
        runs = row.state == "RUN" or (row.state == "CLEANUP" and start is not None)
        return Report(native_id, JobState.ACTIVE if runs else None, row.state, time=start if runs else None)


class _Row(NamedTuple):
    """What `flux jobs` prints of a job: `_FIELDS`."""

    number: str
    state: str
    result: str
    urgency: str
    status: str
    start: str
    end: str
    severity: str
    kind: str
    note: str


def _time(text: str) -> float | None:
    return float(text) or None if re.fullmatch(r"[0-9]{1,12}(\.[0-9]*)?", text) else None
