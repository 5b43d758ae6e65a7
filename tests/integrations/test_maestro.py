"""Maestro: the steps of studies are our jobs. All studies go on side by side: mostly they wait."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from executors.support import until
from integrations.system import EXAMPLES, PROGRAMS, Run, System

MAESTRO = ("maestro", "run", "-y", "-s", "1", "-o", "out")
LAUNCHERS = {"local": "multiple", "slurm": "srun"}
WALLTIMES = {"local": "00:00:03", "slurm": "00:01:00"}
ENDED = {"FINISHED", "FAILED", "CANCELLED", "TIMEDOUT", "UNKNOWN"}


def steps(system: System, name: str) -> dict[str, dict[str, str]]:
    """What Maestro's own record of a study says of each step."""
    try:
        with (system.here / name / "out" / "status.csv").open() as file:
            return {row["Step Name"]: row for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}


def states(system: System, name: str) -> dict[str, str]:
    return {step: row["State"] for step, row in steps(system, name).items()}


def output(system: System, pattern: str) -> str:
    (file,) = (system.here).glob(pattern)
    return file.read_text()


@pytest.fixture(scope="module")
def adapter(environment: Path, system: System) -> None:
    """Maestro knows the adapter."""
    said = system.at("installation").run("python", "-m", "psij_like.integrations.maestro")
    assert "psijscriptadapter.py" in said


@pytest.fixture(scope="module")
def studies(adapter: None, system: System) -> Iterator[Mapping[str, Run]]:
    """Everything that the tests below look at, by what the first command of each comes to."""
    ends = (PROGRAMS / "maestro_ends.yaml").read_text()
    places = {name: system.at(name) for name in ("ends", "foreground", "background", "endless")}
    (places["ends"].here / "ends.yaml").write_text(
        ends.replace("LAUNCHER\n", f"{LAUNCHERS[system.executor]}\n").replace("WALLTIME", WALLTIMES[system.executor])
    )
    started: dict[str, Run] = {}
    try:
        started |= {
            "ends": places["ends"].start(*MAESTRO, "-fg", "ends.yaml"),
            "foreground": places["foreground"].start(*MAESTRO, "-fg", EXAMPLES / "maestro" / "study.yaml"),
            "background": places["background"].start(*MAESTRO, EXAMPLES / "maestro" / "study.yaml"),
            "endless": places["endless"].start(*MAESTRO, "-fg", PROGRAMS / "maestro_endless.yaml"),
        }
        if system.cluster is not None:
            until(lambda: states(system, "ends").get("long") == "RUNNING", 60)
            system.let_time_run_out(steps(system, "ends")["long"]["Job ID"])
        yield started
    finally:
        for run in started.values():
            run.stop()


@pytest.mark.parametrize("how", ["foreground", "background"])
def test_a_study_of_three_parameters(studies: Mapping[str, Run], system: System, how: str) -> None:
    studies[how].end()
    until(lambda: states(system, how).get("gather") in ENDED, 120)
    found = steps(system, how)
    assert len(found) == 7
    assert {row["State"] for row in found.values()} == {"FINISHED"}
    assert output(system, f"{how}/out/gather/all.txt") == "HELLO ADA\nHELLO BOB\nHELLO CY\n"
    place = System(system.environment, system.here / how, system.executor, system.cluster)
    told = place.run("psij-like", "status", *(row["Job ID"] for row in found.values()))
    assert told.count("COMPLETED") == 7
    place.has_ended()


def test_cancel(studies: Mapping[str, Run], system: System) -> None:
    place = System(system.environment, system.here / "endless", system.executor, system.cluster)
    until(lambda: states(system, "endless").get("endless") == "RUNNING", 60)
    assert "sleep 300 " in place.at_work()
    place.run("maestro", "cancel", "-y", "out")
    studies["endless"].end(code=None)
    assert states(system, "endless") == {"endless": "CANCELLED", "after": "CANCELLED"}
    place.has_ended()


def test_ends(studies: Mapping[str, Run], system: System) -> None:
    studies["ends"].end(code=None)
    assert states(system, "ends") == {
        **dict.fromkeys(("fails", "never", "refused"), "FAILED"),
        **dict.fromkeys(("parallel", "beside", "long"), "FINISHED"),
    }
    assert output(system, "ends/out/parallel/parallel.out") == "rank\nrank\n"
    assert output(system, "ends/out/beside/here.txt") == "here\n"
    assert not list((system.here / "ends").glob("out/never/ran"))
    assert steps(system, "ends")["long"]["Number Restarts"] == "1"
    assert output(system, "ends/out/long/long.out") == "first\n"
    assert output(system, "ends/out/long/long.restart.out") == "second\n"
    assert "process_count is 3, it must be a multiple of node_count, 2" in studies["ends"].printed


def test_the_adapter_is_found_also_where_it_is_imported_first(adapter: None, system: System) -> None:
    script = (
        "from psij_like.integrations.maestro import PsijScriptAdapter;"
        "from maestrowf.interfaces import ScriptAdapterFactory;"
        "assert ScriptAdapterFactory.get_adapter('psij') is PsijScriptAdapter"
    )
    system.at("imports").run("python", "-c", script)
