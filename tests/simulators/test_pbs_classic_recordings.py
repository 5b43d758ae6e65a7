"""What the simulated Torque prints is what a real one printed."""

from __future__ import annotations

import getpass
import grp
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from psij_like.testing import SimulatedCluster
from recorded import names, recorded
from simulators.conftest import ended, running, until


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    # As the recorded one was: one host; a queue that is not started and one that takes nothing.
    settings: dict[str, Any] = {"server_name": "vm", "stopped": ["stoppedq"], "disabled": ["disabledq"]}
    with SimulatedCluster("pbs_classic", nodes=1, kill_wait=0.3, walltime_scale=0.01, **settings) as cluster:
        yield cluster


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "good.sh").write_text("#!/bin/sh\ntrue\n")
    (tmp_path / "crlf.sh").write_text("#!/bin/sh\r\ntrue\r\n")
    return tmp_path


def masked(text: str, place: Path) -> str:
    """Without what is different every time: names, ids, times."""
    text = text.replace(str(place), "/home/torqueuser/w").replace(str(Path.home()), "/home/torqueuser")
    for name in (getpass.getuser(), grp.getgrgid(os.getgid()).gr_name):
        text = re.sub(rf"\b{re.escape(name)}\b", "torqueuser", text)
    text = re.sub(r"\b(n1|localhost)\b", "vm", text)
    text = re.sub(r"\b\d+(?=(\[\d*\])?\.vm)", "N", text)
    text = re.sub(r"\w{3} \w{3} [ \d]\d (\d\d:\d\d:\d\d \d{4}|at \d\d:\d\d)", "TIME", text)
    text = re.sub(r"\bvm/\d+\b", "vm/SLOT", text)
    text = re.sub(r"(\.[oe])\d+", r"\1N", text)
    text = re.sub(r"\(\d+\.\d+\.\d+\.\d+\)", "(ADDRESS)", text)
    return re.sub(r"( +|-{3,})", " ", text)


def assert_as_recorded(name: str, place: Path, cluster: SimulatedCluster, *argv: str, **options: Any) -> None:
    real, simulated = recorded("torque", name), cluster.run(*argv, cwd=place, **options)
    assert simulated.returncode == real.exit_code, simulated
    assert masked(simulated.stdout, place) == masked(real.stdout, place)
    assert masked(simulated.stderr, place) == masked(real.stderr, place)


def submitted(cluster: SimulatedCluster, place: Path, script: str, *options: str) -> str:
    done = cluster.run("qsub", *options, input=script, cwd=place)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", names("torque", "qsub-"))
def test_submissions(name: str, cluster: SimulatedCluster, place: Path) -> None:
    words = shlex.split(" ".join(recorded("torque", name).argv))
    words = words[len(words) - words[::-1].index("qsub") - 1 :]
    if "dep-afterok" in name:
        other = submitted(cluster, place, "exit 1" if "failed" in name else "true", "-h")
        words = [re.sub(r"\d+\.vm", other, word) for word in words]
    script = "#PBS -Y nosuch\n" if name == "qsub-bad-directive" else "true\n"
    assert_as_recorded(name, place, cluster, *words, input=script)


ENDS = {
    "DONE": "true",
    "EXIT3": "exit 3",
    "NOCMD": "/no/such/cmd",
    "SIG": "sh -c 'kill -11 $$'; exit 139",
    "SIGSELF": "kill -9 $$",
    "RUN": "sleep 60",
    "PEND": "true",
    "HELD": "true",
    "WAIT": "true",
    "PENDKILL": "true",
    "KILL": "sleep 60",
}
CHANGING = ("session_id", "Variable_List", "total_runtime", "Walltime", "resources_used")


def job_of(text: str) -> Element:
    (job,) = fromstring(text).findall("Job")
    return job


@pytest.mark.parametrize("case", list(ENDS))
def test_states(case: str, cluster: SimulatedCluster, place: Path) -> None:
    real = job_of(recorded("torque", f"qstat-x-{case}").stdout)
    job = submitted(cluster, place, ENDS[case], *shlex.split(real.findtext("submit_args", "")))
    if case in ("RUN", "KILL"):
        running(cluster, job)
    if "KILL" in case:
        assert cluster.run("qdel", job).returncode == 0
    if real.findtext("job_state") == "C":
        ended(cluster, job)
    found = job_of(cluster.run("qstat", "-x", job).stdout)

    def compared(which: Element) -> list[tuple[str, str]]:
        told = [(part.tag, masked(part.text or "", place)) for part in which if part.tag not in CHANGING]
        return [(tag, re.sub(r"^\d{10}$", "TIME", text)) for tag, text in told]

    def resources(which: Element) -> dict[str, str | None]:
        return {part.tag: part.text for part in which.findall("Resource_List/*")}

    assert compared(found) == compared(real)
    assert [part.tag for part in found] == [part.tag for part in real]
    assert resources(found) == resources(real)
    assert_as_recorded(f"qstat-{case}", place, cluster, "qstat", job)
    # The same, as text.
    told = [line.split(" = ")[0] for line in cluster.run("qstat", "-f", "-1", job).stdout.splitlines() if " = " in line]
    lines = recorded("torque", f"qstat-f-{case}").stdout.splitlines()
    assert told == [line.split(" = ")[0] for line in lines if line.startswith("    ")]


def test_the_time_limit(cluster: SimulatedCluster, place: Path) -> None:
    job = submitted(cluster, place, "sleep 60", "-N", "wlim", "-l", "walltime=10")
    ended(cluster, job)
    told = cluster.run("qstat", "-f", "-1", job).stdout
    assert "    exit_status = -11\n" in told
    keys = [line.split(" = ")[0] for line in told.splitlines() if " = " in line]
    lines = recorded("torque", "qstat-f-wlim").stdout.splitlines()
    assert keys == [line.split(" = ")[0] for line in lines if line.startswith("    ")]
    number = job.partition(".")[0]
    # A shell may have had the time to say how what it started has ended.
    said = (place / f"wlim.e{number}").read_text().removeprefix("Terminated\n")
    assert re.fullmatch(r"=>> PBS: job killed: walltime \d+ exceeded limit 10\n", said)


def test_dependencies(cluster: SimulatedCluster, place: Path) -> None:
    first = submitted(cluster, place, "sleep 0.5; exit 4")
    never = submitted(cluster, place, "true", "-o", "/dev/null", "-e", "/dev/null", "-W", f"depend=afterok:{first}")
    assert cluster.run("qstat", never).stdout.split()[-2] == "H"
    ended(cluster, first, never)
    found, real = (
        job_of(cluster.run("qstat", "-x", never).stdout),
        job_of(recorded("torque", "qstat-x-dependency").stdout),
    )
    assert [part.tag for part in found if part.tag != "Variable_List"] == [part.tag for part in real]
    assert found.findtext("exit_status") == "271"
    assert found.findtext("comment") == f"Job deleted as result of dependency on job {first}"
    # On one that has ended already it waits for ever.
    late = submitted(cluster, place, "true", "-W", f"depend=afterok:{first}")
    assert cluster.run("qstat", late).stdout.split()[-2] == "H"
    assert cluster.run("qdel", late).returncode == 0


def test_ids_and_orders(cluster: SimulatedCluster, place: Path) -> None:
    def check(name: str, *argv: str) -> None:
        assert_as_recorded(name, place, cluster, *argv)

    done = submitted(cluster, place, "true", "-N", "okjob")
    runs = submitted(cluster, place, "sleep 60", "-N", "longrun")
    waits = submitted(cluster, place, "true", "-N", "pendjob", "-q", "stoppedq")
    ended(cluster, done)
    running(cluster, runs)
    check("qstat-unknown-and-known", "qstat", done, "999999", runs)
    check("qstat-unknown-f", "qstat", "-f", "999999.vm")
    check("qstat-badid", "qstat", "abc")
    check("qstat-F-json", "qstat", "-f", "-F", "json", "-x")
    assert cluster.run("qstat", "-x", done, "999999", runs).stdout.count("<?xml") == 2
    for name in ("qdel-badid", "qdel-noarg", "qdel-unknown", "qsig-unknown", "qhold-unknown", "qrls-unknown"):
        check(name, *recorded("torque", name).argv)
    check("qhold-bad-h", "qhold", "-h", "x", runs)
    for command in ("qdel", "qsig", "qhold", "qrls"):
        check(f"{command}-finished", command, done)
    check("qdel-p-purge", "qdel", "-p", runs)
    check("qsig-suspend", "qsig", "-s", "suspend", runs)
    check("qhold", "qhold", waits)
    check("qstat-qheld", "qstat", waits)
    check("qrls", "qrls", waits)
    check("qdel-pending", "qdel", waits)
    check("qdel-running", "qdel", runs)
    ended(cluster, runs)
    check("qdel-twice", "qdel", runs)


def test_arrays(cluster: SimulatedCluster, place: Path) -> None:
    array = submitted(
        cluster, place, "until [ -e go ]; do sleep 0.02; done", "-d", str(place), "-t", "1-5", "-N", "arr"
    )
    elements = [array.replace("[]", f"[{index}]") for index in range(1, 6)]
    running(cluster, *elements)
    assert_as_recorded("qstat-t-array", place, cluster, "qstat", "-t", array)
    (place / "go").touch()
    ended(cluster, *elements)
    assert_as_recorded("qstat-t-array-done", place, cluster, "qstat", "-t", array)
    real = fromstring(recorded("torque", "qstat-x-t-array").stdout.replace('<?xml version="1.0"?>\n', ""))[0]
    found = fromstring(cluster.run("qstat", "-x", "-t", array).stdout)[0]
    tags = [part.tag for part in found if part.tag not in ("exit_status", "comp_time", "total_runtime")]
    assert tags == [part.tag for part in real if part.tag != "Walltime"]
    assert cluster.run("qstat", array).stdout.count("\n") == 3  # the whole array, as one
    long = submitted(cluster, place, "sleep 60", "-t", "1-5")
    assert_as_recorded("qdel-array-element", place, cluster, "qdel", "-t", "5", long)
    until(lambda: cluster.job(long.replace("[]", "[5]")).state == "ENDED")


def test_ended_jobs_leave_the_list(place: Path) -> None:
    with SimulatedCluster("pbs_classic", history=0.3) as cluster:
        job = submitted(cluster, place, "true")
        ended(cluster, job)
        until(lambda: cluster.run("qstat", "-x").stdout == "")
        assert cluster.run("qstat", job).returncode == 153


@pytest.mark.parametrize("name", names("torque", "down-"))
def test_server_down(name: str, cluster: SimulatedCluster, place: Path) -> None:
    cluster.down()
    assert_as_recorded(name, place, cluster, *recorded("torque", name).argv)
