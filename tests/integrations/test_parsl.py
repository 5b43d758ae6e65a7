"""Parsl: HighThroughputExecutor in blocks that are our jobs. All runs go on side by side: mostly they wait."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from executors.support import until
from integrations.system import EXAMPLES, Run, System

WALLTIME = {"local": "30", "slurm": "60"}  # seconds
LAUNCHERS = {"local": ("multiple", "1"), "slurm": ("srun", "2")}


def counting(system: System) -> System:
    """The same, with a line in `queries` for each query of Slurm's queue."""
    if system.cluster is None:
        return system
    path = system.cluster.environment["PATH"]
    wrapper = system.here / "bin" / "squeue"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho >>{system.here}/queries\nexec {shutil.which("squeue", path=path)} "$@"\n')
    wrapper.chmod(0o755)
    return replace(system, variables={"PATH": f"{wrapper.parent}:{path}"})


@pytest.fixture(scope="module")
def runs(system: System) -> Iterator[Mapping[str, Run]]:
    """Everything that the tests below look at."""
    launcher, nodes = LAUNCHERS[system.executor]
    started: dict[str, Run] = {}
    try:
        started["walltime"] = system.at("walltime").program("parsl_walltime.py", WALLTIME[system.executor])
        until(lambda: "ready" in started["walltime"].printed, 120)  # it is to have a worker long before that
        system.let_time_run_out(started["walltime"].printed.split("'")[1])
        started |= {
            "results": system.at("results").start("python", EXAMPLES / "parsl" / "squares.py"),
            "scaling": system.at("scaling").program("parsl_scaling.py"),
            "failing": system.at("failing").program("parsl_failing_block.py"),
            "provider": counting(system.at("provider")).program("parsl_provider.py", launcher, nodes),
        }
        yield started
    finally:
        for run in started.values():
            run.stop()


def test_results(runs: Mapping[str, Run], system: System) -> None:
    assert runs["results"].end() == "[0, 1, 4, 9]\n"
    (output,) = (system.here / "results").glob("runinfo/000/submit_scripts/*.stdout")
    assert output.with_suffix(".stderr").exists()


def test_a_block_that_fails_is_told_with_its_output(runs: Mapping[str, Run]) -> None:
    error = runs["failing"].facts()["error"]
    assert "EXIT CODE: 7" in error
    assert "STDERR: a bad environment" in error


def test_blocks_come_and_go_with_the_work(runs: Mapping[str, Run], system: System) -> None:
    assert runs["scaling"].facts() == {"before": [], "jobs": 2, "after": ["CANCELED", "CANCELED"]}
    System(system.environment, system.here / "scaling").has_ended()


def test_the_provider_as_parsl_calls_it(runs: Mapping[str, Run], system: System) -> None:
    facts = runs["provider"].facts()
    assert facts["label"] == system.executor
    assert facts["stdout"] == "worker here\n" * 2
    assert facts["stderr"].count("wrong") == 2
    state, exit_code, size = facts["size"]
    assert (state, exit_code) == ("FAILED", 3)
    assert size == (["2", "0.25", "2", "256"] if system.cluster else ["2", "0.25"])
    assert facts["asked"] == 600
    if system.cluster is not None:
        assert 0 < len((system.here / "provider" / "queries").read_text().splitlines()) < 100
    assert facts["cancelled"] == [True] * 6 + [False]
    assert facts["ends"] == ["CANCELLED"]
    assert facts["unknown"] == "UNKNOWN"
    assert facts["nothing"] == [[], []]
    assert ("no_such_option" in facts["refused"]) == (system.cluster is not None)


def test_a_block_whose_time_is_up_is_no_failure(runs: Mapping[str, Run], system: System) -> None:
    facts = runs["walltime"].facts()
    first, second = facts.pop("states")
    assert facts == {"lost": "ManagerLost", "next": 16}
    assert first == "TIMEOUT"
    assert second in ("PENDING", "RUNNING")  # the news of its start may be on its way while it works
