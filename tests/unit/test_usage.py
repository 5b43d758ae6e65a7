"""What jobs have used, as schedulers tell it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from psij_like import JobUsage
from psij_like._engine.backend import Backend, Unavailable, User
from psij_like._engine.figures import seconds, size
from psij_like._engine.host import Result
from psij_like.executors.batch.cobalt import Cobalt
from psij_like.executors.batch.grid_engine import GridEngine
from psij_like.executors.batch.lsf import Lsf
from psij_like.executors.batch.pbs import Pbs
from psij_like.executors.batch.pbs_classic import PbsClassic
from psij_like.executors.batch.slurm import Slurm
from recorded import recorded


def backend(kind: type[Backend], name: str = "user1") -> Any:
    return kind(User(1000, name))


def said(stdout: str, exit_code: int = 0) -> Result:
    return Result((), exit_code, stdout, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4", 4),
        ("03:04", 184),
        ("01:00:00", 3600),
        ("1-02:03:04.5", 93784.5),
        ("00:00.012", 0.012),
        ("1-02", None),
        ("", None),
        (None, None),
        ("x", None),
        ("1:2:3:4", None),
        ("-5", None),
    ],
)
def test_times(text: str | None, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123K", 125952),
        ("1.5 Gbytes", 1610612736),
        ("12kb", 12288),
        ("0", 0),
        ("3 MiB", 3145728),
        ("", None),
        ("K", None),
    ],
)
def test_sizes(text: str, expected: int | None) -> None:
    assert size(text) == expected


def test_slurm_counts_memory_by_step() -> None:
    text = "7|65|01:05.500|\n7.batch|65|01:05.000|2048K\n7.0|60|00:00.500|3M\n70|1|00:00:00|9G\n"
    assert backend(Slurm).usage("7", said(text)) == JobUsage(65, 65.5, 3 * 2**20)
    assert backend(Slurm).usage("8", said(text)) is None
    assert backend(Slurm).usage("7", said("spoilt\n7|x|y|z\n")) == JobUsage(None, None, None)
    with pytest.raises(Unavailable):
        backend(Slurm).usage("7", said("Slurm accounting storage is disabled\n", 1))


def test_grid_engine_tells_of_the_last_run() -> None:
    result = recorded("grid_engine", "qacct-vmem")
    assert backend(GridEngine).usage("26", result) == JobUsage(0, 0.018, 0)
    assert backend(GridEngine).usage("2", result) is None
    again = result.stdout + result.stdout.replace("0.018s", "3.5s").replace("0.000B", "2.5MB")
    assert backend(GridEngine).usage("26", said(again)) == JobUsage(0, 3.5, 5 * 2**19)


def test_pbs() -> None:
    pbs = backend(Pbs, "pbsuser")
    result = recorded("openpbs", "state-self-kill-9-json")
    assert pbs.usage("69.pbshost", result) == JobUsage(0, 0, 0)
    told = json.loads(result.stdout)
    told["Jobs"]["69.pbshost"]["resources_used"].update(cput="00:01:00", mem="12kb", walltime="00:02:00")
    assert pbs.usage("69.pbshost", said(json.dumps(told))) == JobUsage(120, 60, 12288)
    del told["Jobs"]["69.pbshost"]["resources_used"]
    assert pbs.usage("69.pbshost", said(json.dumps(told))) is None


def test_torque() -> None:
    used = "<resources_used><cput>00:00:01</cput><mem>5kb</mem><walltime>00:00:02</walltime></resources_used>"
    job = f"<Data><Job><Job_Id>1.s</Job_Id><job_state>C</job_state>{used}</Job></Data>"
    assert backend(PbsClassic).usage("1.s", said(job)) == JobUsage(2, 1, 5120)
    assert backend(PbsClassic).usage("2.s", said(job)) is None


def test_lsf() -> None:
    text = """Job <7>, Status <DONE>
Fri Nov 20 21:37:47: Done successfully. The CPU time used is 1.5 seconds.

 MEMORY USAGE:
 MAX MEM: 4 Mbytes;  AVG MEM: 3 Mbytes
"""
    assert backend(Lsf).usage("7", said(text)) == JobUsage(None, 1.5, 4 * 2**20)
    assert backend(Lsf).usage("7", said("Job <7>, Status <PEND>\n")) is None


def test_who_counts_nothing_is_not_asked() -> None:
    assert backend(Cobalt).usage_command("7") is None


@pytest.mark.parametrize(("name", "others"), [("pbsuser", False), ("somebody", True)])
def test_pbs_tells_whose_jobs_are(name: str, others: bool) -> None:
    result = recorded("openpbs", "state-self-kill-9-json")
    assert {report.others for report in backend(Pbs, name).reports(result).values()} == {others}


@pytest.mark.parametrize(("name", "others"), [("me", False), ("somebody", True)])
def test_torque_tells_whose_jobs_are(name: str, others: bool) -> None:
    job = "<Data><Job><Job_Id>1.s</Job_Id><Job_Owner>me@host</Job_Owner><job_state>R</job_state></Job></Data>"
    assert backend(PbsClassic, name).reports(said(job))["1.s"].others is others
