"""Snakemake: the jobs of workflows are our jobs. All runs go on side by side: mostly they wait."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping

import pytest

from executors.support import until
from integrations.system import EXAMPLES, PROGRAMS, Run, System

SNAKEMAKE = (
    "snakemake",
    "--keep-going",
    "--executor",
    "psij-like",
    "-j",
    "3",
    "--seconds-between-status-checks",
    "1",
    "--snakefile",
)
CHECKS = (*SNAKEMAKE, PROGRAMS / "checks.smk", "--config", "partition=debug", "account=ours", "--")


@pytest.fixture(scope="module")
def runs(system: System) -> Iterator[Mapping[str, Run]]:
    """Everything that the tests below look at."""
    started: dict[str, Run] = {}
    try:
        for name, command in {
            "slow": (*CHECKS, "slow.txt"),
            "example": (*SNAKEMAKE, EXAMPLES / "snakemake" / "Snakefile"),
            "checks": (*CHECKS, "size.txt", "failed.txt", "impossible.txt"),
        }.items():
            started[name] = system.at(name).start(*command)
        yield started
    finally:
        for run in started.values():
            run.stop()


def submitted(printed: str) -> list[str]:
    """The native ids, in the order of submission."""
    return re.findall(r"was submitted as (\S+)\.$", printed, re.MULTILINE)


def test_a_workflow(runs: Mapping[str, Run], system: System) -> None:
    native_ids = submitted(runs["example"].end())
    assert (system.here / "example" / "all.txt").read_text() == "hello Ada\nhello Bob\nhello Cy\n"
    assert len(set(native_ids)) == 4
    if system.cluster is not None:  # those that were ready together are one array
        array = native_ids[0].partition("_")[0]
        assert native_ids[:3] == [f"{array}_{index}" for index in (1, 2, 3)]
        assert not native_ids[3].startswith(array)


def test_resources_and_failures(runs: Mapping[str, Run], system: System) -> None:
    printed = runs["checks"].end(code=1)
    size = (system.here / "checks" / "size.txt").read_text()
    assert size.startswith("2\n")
    if system.cluster is not None:
        for told in ("NumCPUs=2", "TimeLimit=00:07:00", "MinMemoryNode=300M", "Partition=debug", "Account=ours"):
            assert told in size, size
    assert re.search(r"FAILED.*exit_code=1", printed)
    (log,) = (system.here / "checks" / ".snakemake" / "psij-like").glob("failed-*.err")
    assert "something is wrong" in log.read_text()
    assert str(log) in printed
    assert "process_count is 3, it must be a multiple of node_count, 2" in printed


def test_a_job_is_taken_over_from_a_snakemake_that_died(runs: Mapping[str, Run], system: System) -> None:
    here = system.here / "slow"
    until((here / "began.txt").exists, 120)
    runs["slow"].send(signal.SIGKILL)
    runs["slow"].end(code=-signal.SIGKILL)
    again = System(system.environment, here, system.executor, system.cluster)
    again.run(*SNAKEMAKE, PROGRAMS / "checks.smk", "--unlock", "--config", "partition=debug", "account=ours")
    taken_over = again.start(*CHECKS, "slow.txt")
    (native_id,) = submitted(runs["slow"].printed)
    until(lambda: f"was submitted before as {native_id}" in taken_over.printed, 60)
    (here / "go").touch()
    taken_over.end()
    assert (here / "slow.txt").read_text() == "done\n"
    assert len((here / "began.txt").read_text().split()) == 1
