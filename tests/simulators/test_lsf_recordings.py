"""What the simulated volclava prints is what the real one printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from psij_like.testing import SimulatedCluster
from recorded import recorded
from simulators.conftest import ended, running, until


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    settings: dict[str, Any] = {"queues": {"normal": None, "short": 300}}
    with SimulatedCluster(
        "lsf", flavour="volclava", nodes=1, slots=8, kill_wait=0.5, walltime_scale=0.01, **settings
    ) as one:
        yield one


def masked(text: str) -> str:
    """Without what is different every time: ids, users, hosts, times, directories; and without the width of columns."""
    text = re.sub(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d( \d{4})?", "TIME", text)
    text = re.sub(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d$", "TIME", text, flags=re.MULTILINE)
    text = re.sub(r"\b(Job <)\d+", r"\1ID", text)
    text = re.sub(r'("JOBID":\t")\d+', r"\1ID", text)
    text = re.sub(r"^\d+( +)\S+ +(RUN|PEND|PSUSP|USUSP|DONE|EXIT) ", r"ID USER \2 ", text, flags=re.MULTILINE)
    text = re.sub(r"^\d+(: No|: Ill| RUN| DONE)", r"ID\1", text, flags=re.MULTILINE)
    text = re.sub(r"(User <)[^>]*", r"\1USER", text)
    text = re.sub(r"(CWD <|Home <)[^>]*", r"\1DIRECTORY", text)
    text = re.sub(r"(host |on |Processors |Host\(s\) )(<[^>]*>( |(?=[,;])))+", r"\1<HOST>", text)
    text = re.sub(r'("EXEC_HOST":\t")\w+', r"\1HOST", text)
    text = re.sub(r"(?<= )(normal|short|closedq) +\S+ +(vm|n1)(?= )", r"\1 HOST HOST", text)
    text = re.sub(r"(?<= )(normal|short|closedq) +(?!HOST)\S+", r"\1 HOST", text)
    text = re.sub(r"^(\S+ RUN) (vm|n1)$", r"\1 HOST", text, flags=re.MULTILINE)
    return re.sub(r"[ \t]+", " ", text)


def assert_as_recorded(name: str, cluster: SimulatedCluster, *argv: str, **options: Any) -> None:
    real = recorded("lsf", name)
    simulated = cluster.run(*argv, **options)
    assert simulated.returncode == real.exit_code, simulated
    assert masked(simulated.stdout) == masked(real.stdout)
    assert masked(simulated.stderr) == masked(real.stderr)


def submit(cluster: SimulatedCluster, *words: str, **options: Any) -> str:
    done = cluster.run("bsub", *words, **options)
    assert done.returncode == 0, done.stderr
    match = re.match(r"Job <(\d+)> is submitted to (default )?queue <", done.stdout)
    assert match is not None, done
    return match[1]


SUBMISSIONS: dict[str, tuple[str, ...]] = {
    "bsub-arg-command": ("-J", "okjob", "-o", "ok.out", "-e", "ok.err", "/bin/true"),
    "bsub-M": ("-M", "100000", "-J", "mem", "-o", "mem.out", "ulimit -a"),
    "bsub-rusage": ("-R", "rusage[mem=100]", "-J", "ru", "-o", "ru.out", "true"),
    "bsub-x": ("-x", "-J", "excl", "-o", "x.out", "true"),
    "bsub-c1": ("-c", "1", "-J", "cpul", "-o", "c.out", "true"),
    "bsub-o-dir": ("-o", "/no/such/dir/x.out", "-J", "badout", "true"),
    "bsub-span-ptile-impossible": ("-n", "8", "-R", "span[ptile=2]", "-J", "ptile2", "-o", "pt2.out", "true"),
    "bsub-env-option": ("-env", "none", "-o", "env.out", "env"),
    "bsub-oo-option": ("-oo", "oo.out", "true"),
    "bsub-bad-option": ("--nosuch", "sleep", "1"),
    "bsub-bad-option2": ("-Z", "sleep", "1"),
    "bsub-gpu-option": ("-gpu", "num=1", "true"),
    "bsub-cwd-option": ("-cwd", "/tmp", "-o", "cwd.out", "pwd"),
    "bsub-bad-R": ("-R", "nosuchres>5", "sleep", "1"),
    "bsub-bad-R-syntax": ("-R", "span[ptile=", "sleep", "1"),
    "bsub-bad-W": ("-W", "xx", "sleep", "1"),
    "bsub-bad-n": ("-n", "abc", "sleep", "1"),
    "bsub-bad-queue": ("-q", "nosuchq", "sleep", "1"),
    "bsub-bad-dep": ("-w", "done(999999)", "true"),
    "bsub-queue-W-over": ("-q", "short", "-W", "10", "sleep", "1"),
    "bsub-too-many-n": ("-n", "64", "-J", "toomany", "sleep", "1"),
    "bsub-array": ("-J", "arr[1-5]", "-o", "arr.%J.%I.out", "true"),
    "bsub-K": ("-K", "-o", "K.out", "exit 4"),
}
SCRIPTS = {
    "bsub-good-stdin": "#!/bin/bash\n#BSUB -J psij-good\n#BSUB -q normal\n#BSUB -n 2\n#BSUB -W 0:05\ntrue\n",
    "bsub-bad-queue-stdin": "#!/bin/bash\n#BSUB -q nosuchq\nsleep 1\n",
    "bsub-bad-directive": "#!/bin/bash\n#BSUB -nosuch 3\nsleep 1\n",
}


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_submissions(name: str, cluster: SimulatedCluster, tmp_path: Path) -> None:
    assert_as_recorded(name, cluster, "bsub", *SUBMISSIONS[name], cwd=tmp_path)


def test_submissions_on_standard_input(cluster: SimulatedCluster, tmp_path: Path) -> None:
    for name, text in SCRIPTS.items():
        assert_as_recorded(name, cluster, "bsub", cwd=tmp_path, input=text)


def test_states_of_the_living(cluster: SimulatedCluster, tmp_path: Path) -> None:
    here: dict[str, Any] = {"cwd": tmp_path}
    runs = submit(cluster, "-J", "longrun", "-o", "lr.out", "sleep 900", **here)
    stopped = submit(cluster, "-J", "ususp", "-o", "us.out", "sleep 900", **here)
    held = submit(cluster, "-H", "-J", "heldjob", "-o", "held.out", "sleep 900", **here)
    running(cluster, runs, stopped)
    assert_as_recorded("bstop-running", cluster, "bstop", stopped)
    assert_as_recorded("bjobs-RUN", cluster, "bjobs", runs)
    assert_as_recorded("bjobs-USUSP", cluster, "bjobs", stopped)
    assert_as_recorded("bjobs-PSUSP", cluster, "bjobs", held)
    for name, native_id in (("RUN", runs), ("USUSP", stopped), ("PSUSP", held)):
        assert_as_recorded(f"bjobs-l-{name}", cluster, "bjobs", "-l", native_id)
        assert_as_recorded(f"bjobs-UF-{name}", cluster, "bjobs", "-UF", native_id)
    assert_as_recorded("bjobs-o-one", cluster, "bjobs", "-o", "jobid stat exec_host", runs)
    fields = "jobid stat queue exec_host job_name"
    assert_as_recorded("bjobs-json-one", cluster, "bjobs", "-o", fields, "-json", runs)
    assert_as_recorded("bjobs-json-unknown", cluster, "bjobs", "-o", "jobid stat", "-json", "999999")
    assert_as_recorded("bjobs-json-exit-code", cluster, "bjobs", "-o", "jobid stat exit_code", "-json", runs)
    assert_as_recorded("bjobs-json-without-o", cluster, "bjobs", "-json", runs)
    assert_as_recorded("bjobs-noheader", cluster, "bjobs", "-noheader", runs)
    assert_as_recorded("bjobs-o-delim", cluster, "bjobs", "-o", 'jobid stat delimiter="|"', runs)
    assert_as_recorded("bjobs-unknown", cluster, "bjobs", "999999")
    assert_as_recorded("bjobs-badid", cluster, "bjobs", "abc")
    assert_as_recorded("bkill-psusp", cluster, "bkill", held)
    assert_as_recorded("bkill-unknown-and-known", cluster, "bkill", "999999", stopped)
    for name, words in (("unknown", ("999999",)), ("badid", ("abc",)), ("noarg", ())):
        assert_as_recorded(f"bkill-{name}", cluster, "bkill", *words)
    assert_as_recorded("bkill-running-r-option-stateless", cluster, "bkill", "-s", "0", runs)
    assert_as_recorded("bkill-running", cluster, "bkill", runs)


def test_ends(cluster: SimulatedCluster, tmp_path: Path) -> None:
    (tmp_path / "segv.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    commands = {
        "DONE": ("-J", "okjob", "-o", "ok.out", "-e", "ok.err", "/bin/true"),
        "EXIT3": ("-J", "exit3", "-o", "e3.out", "-e", "e3.err", "exit 3"),
        "SIG": ("-J", "sig11", "-o", "sig.out", "python3 segv.py"),
        "SIGSELF": ("-J", "sigself", "-o", "sigself.out", "exec python3 segv.py"),
        "NOCMD": ("-J", "nosuch", "-o", "ns.out", "/no/such/cmd"),
        "KILL": ("-J", "tokill", "-o", "tk.out", "sleep 600"),
        "runlimit-exceeded": ("-J", "wlim", "-W", "1", "-o", "wl.out", "sleep 600"),
    }
    jobs = {name: submit(cluster, *words, cwd=tmp_path) for name, words in commands.items()}
    running(cluster, jobs["KILL"])
    assert cluster.run("bkill", jobs["KILL"]).returncode == 0
    ended(cluster, *jobs.values())

    def without_usage(text: str) -> str:  # figures of what the job used, which are not simulated
        return re.sub(r"\n MEMORY USAGE:\n.*\n", "", text)

    for name, native_id in jobs.items():
        assert_as_recorded(f"bjobs-{name}", cluster, "bjobs", native_id)
        real = masked(without_usage(recorded("lsf", f"bjobs-l-{name}").stdout))
        assert masked(cluster.run("bjobs", "-l", native_id).stdout) == real
    assert_as_recorded("bkill-finished", cluster, "bkill", jobs["DONE"])
    assert_as_recorded("bkill-exited", cluster, "bkill", jobs["EXIT3"])
    report = masked((tmp_path / "tk.out").read_text())
    assert "Exited with exit code 130." in report
    assert "Subject: Job" in report
    story = cluster.run("bhist", "-l", jobs["KILL"]).stdout
    assert "Signal <KILL> requested by user or administrator <" in story
    assert "Exited with exit code 130." in story


def test_killed_while_pending_and_dependencies(cluster: SimulatedCluster, tmp_path: Path) -> None:
    bad = submit(cluster, "exit 3", cwd=tmp_path)
    blocker = submit(cluster, "sleep 600", cwd=tmp_path)
    ended(cluster, bad)
    never = submit(cluster, "-w", f"done({bad})", "-J", "depbad", "-o", "db.out", "true", cwd=tmp_path)
    waits = submit(cluster, "-w", f"done({blocker})", "-J", "depdone", "-o", "dd.out", "true", cwd=tmp_path)
    until(lambda: cluster.job(never).wait == "NEVER")
    for name, native_id, of in (("DEPBAD", never, bad), ("DEPD", waits, blocker)):
        real = re.sub(r"done\(\d+\)", f"done({of})", recorded("lsf", f"bjobs-l-{name}").stdout)
        assert masked(cluster.run("bjobs", "-l", native_id).stdout) == masked(real)
    held = submit(cluster, "-H", "-J", "pendkill", "-o", "pk.out", "sleep 900", cwd=tmp_path)
    assert cluster.run("bkill", held).returncode == 0
    real = recorded("lsf", "bjobs-l-PENDKILL").stdout.replace("closedq", "normal")
    simulated = cluster.run("bjobs", "-l", held).stdout.replace(" with hold", "")
    assert masked(simulated) == masked(real)
    assert "No unfinished job found" in cluster.run("bjobs", "-u", "nobody").stderr


def test_arrays(cluster: SimulatedCluster, tmp_path: Path) -> None:
    array = submit(cluster, "-J", "arr[1-5]", "-o", "/dev/null", "sleep 20; exit $LSB_JOBINDEX", cwd=tmp_path)
    running(cluster, *(f"{array}[{index}]" for index in range(1, 6)))
    assert_as_recorded("bjobs-array-running", cluster, "bjobs", array)
    assert_as_recorded("bjobs-array-element", cluster, "bjobs", f"{array}[3]")
    assert_as_recorded("bjobs-array-json", cluster, "bjobs", "-o", "jobid stat job_name", "-json", array)
    assert_as_recorded("bkill-array-element", cluster, "bkill", f"{array}[5]")
