"""What changes nothing on a backend is said to, once; what it can not do is refused."""

from __future__ import annotations

import logging

import pytest

from psij_like import Job, JobAttributes, JobExecutor, JobSpec, ResourceSpecV1
from psij_like._engine import asked
from psij_like.executors.tracked import TrackedJobExecutor


@pytest.mark.parametrize(
    ("executor", "resources", "attributes", "field"),
    [
        ("local", {"node_count": 2}, {}, "node_count"),
        ("local", {"gpu_cores_per_process": 1}, {}, "gpu_cores_per_process"),
        ("local", {"memory": 2**30}, {}, "memory"),
        ("local", {"exclusive_node_use": True}, {}, "exclusive_node_use"),
        ("local", {}, {"queue_name": "debug"}, "queue_name"),
        ("local", {}, {"account": "a"}, "account"),
        ("local", {}, {"reservation_id": "r"}, "reservation_id"),
        ("cobalt", {"cpu_cores_per_process": 4}, {}, "cpu_cores_per_process"),
        ("grid_engine", {"processes_per_node": 2}, {}, "processes_per_node"),
        ("grid_engine", {"node_count": 2}, {}, "node_count"),
    ],
)
def test_it_is_said_once(
    executor: str,
    resources: dict[str, int],
    attributes: dict[str, str],
    field: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(asked, "_told", set())
    caplog.set_level(logging.INFO, "psij_like")
    more = {"grid_engine.pe": "mpi"} if executor == "grid_engine" else None
    spec = JobSpec(
        "/bin/true",
        resources=ResourceSpecV1(**resources),  # type: ignore[arg-type]
        attributes=JobAttributes(custom_attributes=more, **attributes),  # type: ignore[arg-type]
    )
    for _ in range(2):
        made = JobExecutor.get_instance(executor)
        assert isinstance(made, TrackedJobExecutor)
        made.plan(Job(spec))
    (said,) = caplog.messages
    assert f"{field}: " in said and f"changes nothing on {executor}: " in said


@pytest.mark.parametrize("executor", ["local", "slurm", "pbs", "pbs_classic", "lsf", "cobalt", "flux", "grid_engine"])
def test_nothing_is_said_of_what_is_so_anyway(
    executor: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asked, "_told", set())
    caplog.set_level(logging.INFO, "psij_like")
    made = JobExecutor.get_instance(executor)
    assert isinstance(made, TrackedJobExecutor)
    made.plan(Job(JobSpec("/bin/true", resources=ResourceSpecV1(1, 1, 1, 1), attributes=JobAttributes(queue_name=""))))
    assert caplog.messages == []
