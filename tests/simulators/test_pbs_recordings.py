"""What the simulated PBS Pro prints is what a real one printed."""

from __future__ import annotations

import getpass
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from psij_like.testing import SimulatedCluster
from recorded import names, recorded
from simulators.conftest import ended, running, until

SCRIPTS = {
    "ok.sh": "#!/bin/sh\ntrue\n",
    "noexec.sh": "true\n",
    "empty.sh": "",
    "crlf.sh": "#!/bin/sh\r\ntrue\r\n",
    "py.py": "#!/usr/bin/python3\n",
    "nointerp.sh": "#!/no/such\n",
}
# Of these, what is different every time is compared in other ways, or not at all.
VOLATILE = ("Variable_List", "Submit_arguments", "resources_used", "history_timestamp", "timestamp", "exec_host")


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    # As the recorded one was: one host, whose name is the server's; queues of four kinds.
    settings: dict[str, Any] = {"server_name": "pbshost", "stopped": ["stopped"], "disabled": ["disabled"]}
    with SimulatedCluster("pbs", nodes=1, gpus=2, kill_wait=0.3, walltime_scale=0.01, **settings) as cluster:
        yield cluster


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def masked(text: str, place: Path) -> str:
    """Without what is different every time: names, ids, times."""
    text = text.replace(str(place), "/home/pbsuser").replace(str(Path.home()), "/home/pbsuser")
    user = getpass.getuser()
    text = re.sub(rf"\b{re.escape(user)}\b", "pbsuser", text).replace(f"{user[:7]}*", "pbsuser")
    text = re.sub(r"(?<=[(/ ])n1\b|\bn1(?=/)", "pbshost", text)
    text = re.sub(r"\b\d+(?=(\[\d*\])?\.(pbshost|otherserver))", "N", text)
    text = re.sub(r"\w{3} \w{3} [ \d]\d (\d\d:\d\d:\d\d \d{4}|at \d\d:\d\d)", "TIME", text)
    text = re.sub(r"(\.[oe])\d+", r"\1N", text)
    return re.sub(r"( +|-{3,})", " ", text)


def assert_as_recorded(name: str, place: Path, cluster: SimulatedCluster, *argv: str, **options: Any) -> None:
    real, simulated = recorded("openpbs", name), cluster.run(*argv, cwd=place, **options)
    assert simulated.returncode == real.exit_code, simulated
    assert masked(simulated.stdout, place) == masked(real.stdout, place)
    assert masked(simulated.stderr, place) == masked(real.stderr, place)


def submitted(cluster: SimulatedCluster, place: Path, script: str, *options: str) -> str:
    done = cluster.run("qsub", *options, input=script, cwd=place)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SUBMISSIONS = [name for name in names("openpbs", "qsub") if "PBS-SERVER" not in name]


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_submissions(name: str, cluster: SimulatedCluster, place: Path) -> None:
    words = shlex.split(" ".join(recorded("openpbs", name).argv))
    words = [word for word in words if word not in ("<", "/dev/null")]
    environment = {**cluster.environment, "SHELL": "/bin/sh"}
    assert_as_recorded(name, place, cluster, *words, input="", env=environment)


ENDS = {
    "finished-ok": "true",
    "finished-7": "exit 7",
    "finished-255": "exit 255",
    "self-kill-9": "kill -9 $$",
    "self-kill-15": "kill -15 $$",
    "self-segv": "kill -11 $$",
    "last-command-killed-9": "sh -c 'kill -9 $$'",
    "held": "true",
    "waiting": "true",
    "queued-cannot-run": "true",
    "queued-stopped-queue": "true",
    "running": "sleep 60",
    "walltime-exceeded": "sleep 60",
    "deleted-while-queued": "true",
    "deleted-while-held": "true",
    "deleted-while-running": "sleep 60",
    "deleted-while-running-ignoring-TERM": "trap '' TERM; sleep 60",
    "deleted-force": "trap '' TERM; sleep 60",
    "qsig-KILL": "sleep 60",
    "qsig-TERM": "sleep 60",
}
ORDERS = {"deleted-force": ("qdel", "-W", "force"), "qsig-KILL": ("qsig", "-s", "KILL"), "qsig-TERM": ("qsig",)}


def of_recording(name: str) -> tuple[str, dict[str, Any]]:
    ((native_id, job),) = json.loads(recorded("openpbs", name).stdout)["Jobs"].items()
    return native_id, job


@pytest.mark.parametrize("case", list(ENDS))
def test_states(case: str, cluster: SimulatedCluster, place: Path) -> None:
    real_id, real = of_recording(f"state-{case}-json")
    argv = shlex.split(str(real["Submit_arguments"]).replace("B=x y", "'B=x y'"))
    job = submitted(cluster, place, ENDS[case], *argv)
    order = ORDERS.get(case, ("qdel",) if case.startswith("deleted") else ())
    if order:
        until(lambda: cluster.job(job).state == ("PENDING" if "queued" in case or "held" in case else "RUNNING"))
        assert cluster.run(*order, job).returncode == 0
    if real["job_state"] == "F":
        ended(cluster, job)
    elif case == "running":
        running(cluster, job)
    text = cluster.run("qstat", "-f", "-F", "json", "-x", job).stdout
    ((native_id, found),) = json.loads(text)["Jobs"].items()
    assert native_id == job

    def compared(which: dict[str, Any]) -> list[tuple[str, str]]:
        return [(name, masked(str(value), place)) for name, value in which.items() if name not in VOLATILE]

    real.pop("session_id", None)  # only of jobs that lived for some time
    assert compared(found) == compared(real)
    assert list(found) == list(real)
    assert found["Variable_List"].keys() >= {"PBS_O_WORKDIR", "PBS_O_QUEUE", "PBS_O_SYSTEM", "PBS_O_HOST"}
    assert_as_recorded(f"state-{case}-table", place, cluster, "qstat", "-x", job)
    if real["job_state"] == "F":
        done = cluster.run("qstat", "-f", "-F", "json", job)
        assert done.returncode == 35
        assert "Jobs" not in json.loads(done.stdout)
    # The same, as text.
    assert masked(cluster.run("qstat", "-x", "-f", job).stdout, place).count("\n") >= len(real)
    assert f"Job Id: {job}\n    Job_Name = {real['Job_Name']}\n" in cluster.run("qstat", "-x", "-f", job).stdout
    assert real_id.endswith(".pbshost")


def test_lines_are_broken_where_the_real_ones_are() -> None:
    from psij_like.testing.pbs.shared.words import wrapped

    real = recorded("openpbs", "state-queued-cannot-run-full").stdout
    comment = of_recording("state-queued-cannot-run-json")[1]["comment"]
    assert wrapped("comment", comment) in real
    real = recorded("openpbs", "state-running-full").stdout
    assert wrapped("Submit_arguments", of_recording("state-running-json")[1]["Submit_arguments"]) in real


def test_ids_and_orders(cluster: SimulatedCluster, place: Path) -> None:
    def check(name: str, *argv: str) -> None:
        assert_as_recorded(name, place, cluster, *argv)

    held = submitted(cluster, place, "true", "-N", "a", "-h")
    done = submitted(cluster, place, "true", "-N", "b")
    ended(cluster, done)
    check("ids-qstat", "qstat", held, "99999", done)
    check("ids-qstat-2", "qstat", done)
    check("ids-qstat-3", "qstat", "99999")
    check("ids-qstat-x", "qstat", "-x", "99999")
    for name in ("qstat-banana", "qstat-otherserver", "qstat-u-nosuchuser", "qstat-f-F-xml", "qstat-F-json"):
        check(f"ids-{name}", *recorded("openpbs", f"ids-{name}").argv)
    check("ids-qstat-a", "qstat", "-a")
    check("qdel", "qdel", done)
    check("qdel-2", "qdel", "99999")
    check("qdel-banana", "qdel", "banana")
    check("qdel-4", "qdel")
    check("qdel-x", "qdel", "-x", done)
    check("qdel-qstat-x", "qstat", "-x", done)
    waits = submitted(cluster, place, "true", "-N", "c", "-q", "stopped")
    check("hold-qhold", "qhold", waits)
    check("hold-qstat", "qstat", waits)
    check("hold-qrls", "qrls", waits)
    check("hold-qstat-2", "qstat", waits)
    check("hold-qhold-h-s", "qhold", "-h", "s", waits)
    check("hold-qhold-2", "qhold", done)
    check("hold-qhold-3", "qhold", "99999")
    check("hold-qrls-2", "qrls", "99999")
    runs = submitted(cluster, place, "sleep 60", "-N", "d")
    running(cluster, runs)
    check("hold-qhold-4", "qhold", runs)
    found = json.loads(cluster.run("qstat", "-f", "-F", "json", runs).stdout)["Jobs"][runs]
    assert (found["job_state"], found["Hold_Types"]) == ("R", "u")
    assert found["comment"].startswith("Job held by ")
    over = submitted(cluster, place, "true", "-N", "e")
    ended(cluster, over)
    check("hold-qhold-5", "qhold", over)
    check("hold-qrls-4", "qrls", over)
    check("state-suspended-qsig", "qsig", "-s", "suspend", runs)
    check("qselect-s-Z", "qselect", "-s", "Z")
    check("qselect-q-nosuch", "qselect", "-q", "nosuch")
    assert cluster.run("qselect", "-s", "H").stdout == f"{held}\n"
    assert cluster.run("qselect", "-x", "-s", "F").stdout == f"{over}\n"


def test_dependencies(cluster: SimulatedCluster, place: Path) -> None:
    first = submitted(cluster, place, "sleep 0.5; exit 4")
    waits = submitted(cluster, place, "true", "-N", "h2", "-W", f"depend=afterok:{first}")
    later = submitted(cluster, place, "true", "-N", "h6", "-W", f"depend=afternotok:{first}")

    def keys(job: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(cluster.run("qstat", "-x", "-f", "-F", "json", job).stdout)["Jobs"][job]
        return found

    real = of_recording("depend-qstat-f-F-json")[1]
    assert list(keys(waits)) == list(real)
    assert [keys(waits)[name] for name in ("job_state", "Hold_Types", "substate")] == ["H", "s", 22]
    ended(cluster, first, waits, later)
    real = of_recording("depend-qstat-f-F-json-x-2")[1]
    assert list(keys(waits)) == list(real)
    assert keys(waits)["substate"] == real["substate"] == 92
    assert list(keys(later)) == list(of_recording("depend-qstat-f-F-json-x-6")[1])


def test_arrays(cluster: SimulatedCluster, place: Path) -> None:
    array = submitted(cluster, place, "[ $PBS_ARRAY_INDEX = 3 ] && exit 3; exit 0", "-N", "arr", "-J", "0-9")
    ended(cluster, *(array.replace("[]", f"[{index}]") for index in range(10)))
    assert_as_recorded("array-qstat-x", place, cluster, "qstat", "-x", array)
    assert_as_recorded("array-qstat-t-x", place, cluster, "qstat", "-t", "-x", array)
    for name, job in (("array-qstat-x-f-F-json", array), ("array-qstat-x-f-F-json-3", array.replace("[]", "[3]"))):
        real = of_recording(name)[1]
        found = json.loads(cluster.run("qstat", "-x", "-f", "-F", "json", job).stdout)["Jobs"][job]
        if name.endswith("-3"):  # recorded without its state among those of others
            real["job_state"] = "F"
        assert list(found) == list(real)
        for key in ("job_state", "substate", "Exit_status", "array_indices_submitted", "array_state_count"):
            assert found.get(key) == real.get(key), key
        assert masked(found["comment"], place) == masked(real["comment"], place)


def test_without_history(place: Path) -> None:
    with SimulatedCluster("pbs", history=0, server_name="pbshost") as cluster:
        job = submitted(cluster, place, "true")
        until(lambda: cluster.run("qstat", job).returncode == 153)
        for name, argv in {
            "nohistory-qstat-x": ("qstat", "-x"),
            "nohistory-qstat-1": ("qstat", job),
            "nohistory-qstat-x-1": ("qstat", "-x", job),
            "nohistory-qdel-1": ("qdel", job),
            "nohistory-qstat": ("qstat",),
        }.items():
            assert_as_recorded(name, place, cluster, *argv)
        for name, argv in {
            "nohistory-qstat-f-F-json": ("qstat", "-f", "-F", "json"),
            "nohistory-qstat-f-F-json-x": ("qstat", "-f", "-F", "json", "-x"),
            "nohistory-qstat-f-F-json-1": ("qstat", "-f", "-F", "json", job),
        }.items():
            real, simulated = recorded("openpbs", name), cluster.run(*argv)
            assert (simulated.returncode, simulated.stdout.splitlines()[2:]) == (
                real.exit_code,
                real.stdout.splitlines()[2:],
            )


@pytest.mark.parametrize("name", names("openpbs", "down-"))
def test_server_down(name: str, cluster: SimulatedCluster, place: Path) -> None:
    if name == "down-qstat-f-F-json-x-2":
        return  # up again
    argv = recorded("openpbs", name).argv
    argv = argv[argv.index("|") + 1 :] if "|" in argv else argv
    cluster.down()
    real, simulated = recorded("openpbs", name), cluster.run(*argv)
    assert (simulated.returncode, simulated.stderr) == (real.exit_code, real.stderr)
    assert simulated.stdout.splitlines()[2:] == real.stdout.splitlines()[2:]
