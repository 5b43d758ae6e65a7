"""Processes, nodes and launchers."""

from __future__ import annotations

import pytest

from psij_like.conformance.bench import Bench
from psij_like.conformance.plugin import proves
from psij_like.exceptions import InvalidJobException
from psij_like.job import Job
from psij_like.resource_spec import ResourceSpecV1


@proves("R1", "N1", "J6")
def test_several_processes(bench: Bench) -> None:
    job = bench.submit(
        bench.shell(
            'echo x >"rank.$$.$(hostname)"; cat "$PSIJ_NODEFILE" >nodes',
            launcher=bench.settings.launcher or "multiple",
            resources=ResourceSpecV1(process_count=2),
        )
    )
    bench.completed(job)
    bench.soon(lambda: len(list(bench.directory.glob("rank.*"))) == 2, "two processes ran")
    assert len(bench.text("nodes").splitlines()) == 2


@proves("R1", "N1", "J6")
def test_several_nodes(bench: Bench) -> None:
    bench.needs(bench.settings.nodes > 1 and bench.settings.launcher, "was not said to have two nodes and a launcher")
    job = bench.submit(
        bench.shell(
            'echo x >"rank.$$.$(hostname)"; [ -e nodes ] || cat "$PSIJ_NODEFILE" >nodes',
            launcher=bench.settings.launcher,
            resources=ResourceSpecV1(node_count=2, processes_per_node=1),
        )
    )
    bench.completed(job)
    bench.soon(lambda: len(list(bench.directory.glob("rank.*"))) == 2, "two processes ran")
    assert len(set(bench.text("nodes").split())) == 2


@proves("N1")
def test_the_launcher_single(bench: Bench) -> None:
    job = bench.submit(bench.shell("echo x >>ranks", launcher="single", resources=ResourceSpecV1(process_count=2)))
    bench.completed(job)
    assert bench.text("ranks") == "x\n"


@proves("N1", "S3")
def test_one_of_several_processes_fails(bench: Bench) -> None:
    job = bench.submit(
        bench.shell(
            "mkdir first 2>/dev/null || exit 3",
            launcher=bench.settings.launcher or "multiple",
            resources=ResourceSpecV1(process_count=2),
        )
    )
    status = bench.end(job)
    assert status.exit_code not in (0, None), str(status)


@proves("R2", "P1")
def test_what_can_not_be_expressed_is_refused(bench: Bench) -> None:
    wanted = {
        "resources.memory": ResourceSpecV1(memory=2**26),
        "resources.gpu_cores_per_process": ResourceSpecV1(gpu_cores_per_process=1),
    }
    refused = [field for field in bench.executor.capabilities.refused if field in wanted]
    bench.needs(refused, "can express memory and GPUs")
    for field in refused:
        job = Job(bench.spec("/bin/true", resources=wanted[field]))
        bench.mind(job)
        with pytest.raises(InvalidJobException, match=field):
            bench.executor.submit(job)
