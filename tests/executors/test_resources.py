"""What a job asks for: the backend takes it, or it is refused with the field's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executors.sites import Site
from executors.support import completed, shell, submit
from psij_like import InvalidJobException, Job, JobExecutor, ResourceSpecV1
from spec.conftest import complaints

NODEFILE = 'cat "$PSIJ_NODEFILE" >nodes'


@pytest.mark.parametrize(
    "wanted",
    [
        {"process_count": 2},
        {"process_count": 2, "cpu_cores_per_process": 2},
        {"processes_per_node": 3},
        {"memory": 100 * 2**20},
        {"memory": 2**20 + 1},
        {"exclusive_node_use": True},
    ],
    ids=",".join,
)
def test_resources_are_taken_or_refused(
    site: Site, executor: JobExecutor, work_directory: Path, wanted: dict[str, Any]
) -> None:
    spec = shell(NODEFILE, directory=work_directory, resources=ResourceSpecV1(**wanted))
    refused = set(wanted) & set(site.refuses)
    if refused:
        job = Job(spec)
        with pytest.raises(InvalidJobException, match=f"resources.{refused.pop()}"):
            executor.submit(job)
        return
    spec.arguments = ["-c", f"{NODEFILE} || :"]
    completed(submit(executor, spec))
    processes = spec.resources.computed_process_count  # type: ignore[union-attr]
    if processes > 1:
        assert len((work_directory / "nodes").read_text().splitlines()) == processes


def test_P1_an_executor_tells_what_it_can_do(site: Site, executor: JobExecutor) -> None:
    told = executor.capabilities
    assert complaints("capabilities", told.to_dict()) == []
    assert told.executor == site.executor
    assert told.hold == (site.pending is not None)
    assert {field.removeprefix("resources.") for field in told.refused if "resources" in field} == set(site.refuses)
    assert set(told.dependencies) == set(site.dependencies)
    assert told.status
