"""The cluster of the other tests, tried with plain commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.client import GridEngine, KeeperError, ask, start_grid_engine
from executors.support import until


def processes_of(place: str) -> list[str]:
    """Processes that know of a cluster's directory: those of its jobs, which are ours."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SGE_ROOT={place}\0".encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def test_a_second_cluster_leaves_nothing_and_disturbs_nothing(grid_engine: GridEngine) -> None:
    if not grid_engine.controllable:
        pytest.skip("this machine's own Grid Engine is the only one")
    command = ("qsub", "-terse", "-b", "y", "-o", "/dev/null", "-j", "y", "sleep", "300")
    kept = grid_engine.run(*command).stdout.strip()
    try:
        second = start_grid_engine(pytest.skip)
        try:
            place = second.variables["SGE_ROOT"]
            assert place != grid_engine.variables["SGE_ROOT"]
            assert (submitted := second.run(*command)).returncode == 0, submitted
            until(lambda: processes_of(place))
        finally:
            second.stop()
        assert not Path(place).exists()
        assert not processes_of(place)
        until(lambda: f" {kept} " in grid_engine.run("qstat", "-s", "r").stdout)
    finally:
        grid_engine.run("qdel", kept)
        until(lambda: kept not in grid_engine.run("qstat").stdout.split())


def test_what_may_be_asked_of_it(grid_engine: GridEngine) -> None:
    if not grid_engine.controllable:
        pytest.skip("this machine's own Grid Engine is not to be controlled")
    with pytest.raises(KeeperError, match="the administrator runs only"):
        grid_engine.admin(["sh", "-c", "true"])
    with pytest.raises(KeeperError, match="grid_engine has no control stop_node"):
        ask("stop_node", grid_engine.number, name="n1")
    with pytest.raises(KeeperError, match="no such kind of cluster: 'abacus'"):
        ask("start", kind="abacus")
    with pytest.raises(KeeperError, match="options of a cluster"):
        ask("start", kind="grid_engine", accounting=True)
    assert "the end of" in grid_engine.log("sge_qmaster")
