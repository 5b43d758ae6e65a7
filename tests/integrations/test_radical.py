"""RADICAL-Pilot and EnTK, unmodified, over this library; and the executor whose jobs are tasks of RADICAL-Pilot."""

from __future__ import annotations

import shutil

import pytest

from executors.support import until
from integrations.named_psij import as_psij
from integrations.system import EXAMPLES, PROGRAMS, System
from psij_like import compat

WITH_LOG = {"RADICAL_LOG_LVL": "INFO"}
SCHEMAS = {"local": "fork", "slurm": "slurm"}


def test_its_launcher_starts_and_kills_pilots(system: System) -> None:
    here = system.at("launcher")
    command = as_psij("python", PROGRAMS / "rp_launcher.py", SCHEMAS[system.executor], FROM_OUTSIDE="seen")
    facts = here.start(*command).facts()
    assert facts["psij"].startswith(str(compat.path()))
    assert facts["able"] == [True]
    assert {name: told[-1] for name, told in facts["states"].items()} == {
        "ends": "DONE",
        "fails": "FAILED",
        "killed": "CANCELED",
    }
    inherited = "seen" if system.cluster is None else "nothing"
    assert (here.here / "ends" / "bootstrap_0.out").read_text() == f"given {inherited} {here.here / 'ends'}\n"


@pytest.mark.slow
def test_tasks_in_a_pilot(system: System) -> None:
    here = system.at("hello")
    configurations = here.here / ".radical" / "pilot" / "configs"
    configurations.mkdir(parents=True)
    shutil.copy(EXAMPLES / "radical" / "resource_local.json", configurations)
    resource = "local.localhost" if system.cluster is None else "local.slurm"
    printed = here.start(*as_psij("python", EXAMPLES / "radical" / "hello.py", resource, **WITH_LOG)).end(timeout=250)
    assert printed.splitlines()[-4:] == [*(f"DONE 0 hello {n}" for n in range(3)), "the pilot: DONE"]
    (log,) = here.here.glob("rp.session.*/pmgr_launching.0000.log")
    assert "use launcher PSI_J" in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("system", ["local"], indirect=True)
def test_a_pipeline_of_entk(system: System) -> None:
    here = system.at("entk")
    printed = here.start(*as_psij("python", EXAMPLES / "radical" / "pipeline.py", **WITH_LOG)).end(timeout=250)
    assert printed.splitlines()[-1].endswith("['DONE', 'DONE']")  # colours come before


@pytest.mark.slow
@pytest.mark.parametrize("system", ["local"], indirect=True)
def test_the_executor_rp(system: System) -> None:
    here = system.at("executor")
    (here.here / "in").write_text("from the file\n")
    facts = here.start(*as_psij("python", PROGRAMS / "rp_executor.py")).facts()
    assert {name: (state, reason) for name, (state, _, reason) in facts["ends"].items()} == {
        "ends": ("COMPLETED", "exit"),
        "fails": ("FAILED", "exit"),
        "signal": ("FAILED", "signal"),
        "limited": ("FAILED", "timeout"),
        "cancelled": ("CANCELED", "cancelled"),
        "at once": ("CANCELED", "cancelled"),
        "two": ("COMPLETED", "exit"),
    }
    codes = {name: code for name, (_, code, _) in facts["ends"].items()}  # RADICAL-Pilot ends jobs within 0.1 s
    assert codes == {**codes, "ends": 0, "fails": 3, "signal": 137, "at once": None, "two": 0}
    assert facts["states"]["fails"] == ["QUEUED", "ACTIVE", "FAILED"]
    assert facts["states"]["at once"] == ["QUEUED", "CANCELED"]
    assert (facts["listed"], facts["left"], facts["later"]) == (True, [], "FAILED")
    assert "queue_name" in facts["refused"]
    assert facts["ranks"] == ["one\none\n"]
    assert (here.here / "out").read_text() == "from the file\n$HOME `x` \"y\" 'z' a $pear\n"
    assert (here.here / "err").read_text() == "wrong\n"
    until(lambda: not [process for process in here.at_work() if "sleep 4" in process], 30)


@pytest.mark.slow
@pytest.mark.parametrize("system", ["local"], indirect=True)
def test_the_example_of_the_executor_rp(system: System) -> None:
    printed = system.at("example").start(*as_psij("python", EXAMPLES / "radical" / "executor.py")).end(timeout=250)
    assert [line.split(",")[0] for line in printed.splitlines()[-3:]] == ["COMPLETED", "FAILED", "FAILED"]
