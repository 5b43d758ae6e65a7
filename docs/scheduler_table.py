"""Writes the tables of docs/schedulers.md from the code: `python docs/scheduler_table.py`; --check only compares.

Each field is set alone, and what changes in the directives is what it becomes. `local` has none: a field means nothing
there, or is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from made_part import put

from psij_like import DependencyKind, InvalidJobException, Job, JobAttributes, JobExecutor, JobSpec, ResourceSpecV1
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor
from psij_like.executors.tracked import TrackedJobExecutor

PAGE = Path(__file__).with_name("schedulers.md")
BEGIN, END = "<!-- fields: made by docs/scheduler_table.py -->", "<!-- end of fields -->"
EXECUTORS = ("local", "slurm", "pbs", "pbs_classic", "lsf", "cobalt", "flux", "grid_engine")
PARALLEL_ENVIRONMENT = {"grid_engine.pe": "mpi"}  # without one Grid Engine takes no job of several slots

GIB = 2**30
RESOURCES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("node_count=2", {"node_count": 2}),
    ("process_count=4", {"process_count": 4}),
    ("node_count=2, processes_per_node=4", {"node_count": 2, "processes_per_node": 4}),
    ("cpu_cores_per_process=8", {"cpu_cores_per_process": 8}),
    ("gpu_cores_per_process=2", {"gpu_cores_per_process": 2}),
    ("exclusive_node_use=True", {"exclusive_node_use": True}),
    ("memory=2**30", {"memory": GIB}),
)
ATTRIBUTES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("duration=timedelta(minutes=90)", {"duration": timedelta(minutes=90)}),
    ('queue_name="debug"', {"queue_name": "debug"}),
    ('account="science"', {"account": "science"}),
    ('reservation_id="r1"', {"reservation_id": "r1"}),
    *((f'dependencies={{"{kind}": "17"}}', {"dependencies": {kind: "17"}}) for kind in DependencyKind),
)
SPEC: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ('name="my job"', {"name": "my job"}),
    ("inherit_environment=False", {"inherit_environment": False}),
)


def directives(executor: TrackedJobExecutor, custom: Mapping[str, str], **fields: Any) -> list[str]:
    """What the scheduler is told of a job of which only those fields are set."""
    attributes = dict(fields.pop("attributes", {}))
    spec = JobSpec("/bin/date", attributes=JobAttributes(**attributes, custom_attributes=custom), **fields)
    job = Job(spec)
    if not isinstance(executor, BatchSchedulerExecutor):
        executor.plan(job)
        return []
    return [line.replace(job.id, "ID") for line in executor.directives(job)]


def effect(executor: TrackedJobExecutor, **fields: Any) -> str:
    """A table cell: what those fields change."""
    custom = PARALLEL_ENVIRONMENT if executor.name == "grid_engine" else {}
    plain = directives(executor, custom, resources=ResourceSpecV1())
    try:
        told = directives(executor, custom, **{"resources": ResourceSpecV1(), **fields})
    except InvalidJobException:
        return "refused"
    changed = [line for line in told if line not in plain]
    return "<br>".join(f"`{line}`" for line in changed).replace("|", "\\|") or "—"


def table(title: str, rows: list[tuple[str, dict[str, Any]]], names: Sequence[str]) -> list[str]:
    """The lines of a table with a column for each scheduler."""
    executors = [executor(name) for name in names]
    lines = [
        f"| {title} | " + " | ".join(f"`{name}`" for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for label, fields in rows:
        cells = (effect(one, **fields) for one in executors)
        lines.append(f"| `{label}` | " + " | ".join(cells) + " |")
    return [*lines, ""]


def executor(name: str) -> TrackedJobExecutor:
    """The executor of that name, which needs no scheduler to tell what it would say."""
    made = JobExecutor.get_instance(name)
    if not isinstance(made, TrackedJobExecutor):
        raise TypeError(f"{name} does not plan its jobs")
    return made


def text(names: Sequence[str] = EXECUTORS) -> str:
    """The tables, for some schedulers."""
    resources = [(label, {"resources": ResourceSpecV1(**fields)}) for label, fields in RESOURCES]
    attributes = [(label, {"attributes": fields}) for label, fields in ATTRIBUTES]
    spec = [(label, dict(fields)) for label, fields in SPEC]
    parts = (("`ResourceSpecV1`", resources), ("`JobAttributes`", attributes), ("`JobSpec`", spec))
    return "\n".join(line for title, rows in parts for line in table(title, rows, names))


if __name__ == "__main__":
    sys.exit(put(PAGE, BEGIN, END, text(), sys.argv[1:]))
