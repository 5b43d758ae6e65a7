"""What the simulated Flux prints is what the real one printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from psij_like.testing import SimulatedCluster
from recorded import recorded
from simulators.conftest import ended, running, until

FORMAT = (
    "{id.dec}|{state}|{result}|{urgency}|{waitstatus}|{t_run}|{t_inactive}|"
    "{exception.severity}|{exception.type}|{exception.note}"
)
LIST = ("jobs", "-a", "-n", "-c", "0", "-o", FORMAT)
CANCEL = ("job", "raise", "--severity=0", "--type=cancel")
NOWHERE = {"FLUX_URI": "local:///no/such/socket"}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedCluster]:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    # As the instance that was recorded.
    with SimulatedCluster("flux", nodes=2, kill_wait=0.5) as one:
        yield one


def masked(text: str) -> str:
    """Without what is different every time: ids and times."""
    text = re.sub(r"\b1[0-9]{9}\.[0-9]+", "TIME", text)
    return re.sub(r"ƒ[0-9A-Za-z]+|^[0-9]{9,}(?=\|)", "ID", text, flags=re.MULTILINE)


def assert_as_recorded(name: str, cluster: SimulatedCluster, *argv: str, **options: Any) -> None:
    real = recorded("flux", name)
    simulated = cluster.run("flux", *argv, **options)
    assert simulated.returncode == real.exit_code, simulated
    assert masked(simulated.stdout) == masked(real.stdout)
    assert masked(simulated.stderr) == masked(real.stderr)


def submit(cluster: SimulatedCluster, *words: str) -> str:
    """Submit a job with `flux submit`; its id as the cluster keeps it."""
    done = cluster.run("flux", "submit", "--output=/dev/null", *words)
    assert done.returncode == 0, done.stderr
    return f"f{done.stdout.strip()[1:]}"


def shown(native_id: str) -> str:
    return f"ƒ{native_id[1:]}"


def spec(path: Path, *command: str, nodes: int = 1, **system: Any) -> str:
    """Write a jobspec; the path of its file."""
    slot = {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}
    task = {"command": command or ["true"], "slot": "task", "count": {"per_slot": 1}}
    made = {
        "version": 1,
        "resources": [{"type": "node", "count": nodes, "with": [slot]}],
        "tasks": [task],
        "attributes": {"system": {"environment": {"PATH": "/usr/bin:/bin"}, **system}},
    }
    path.write_text(json.dumps(made))
    return str(path)


def submit_spec(cluster: SimulatedCluster, path: Path, *command: str, urgency: int = 16, **system: Any) -> str:
    done = cluster.run("flux", "job", "submit", f"--urgency={urgency}", spec(path, *command, **system))
    assert done.returncode == 0, done.stderr
    return f"f{done.stdout.strip()[1:]}"


def dependency(scheme: str, native_id: str) -> dict[str, Any]:
    return {"dependencies": [{"scheme": scheme, "value": native_id}]}


def test_nothing_to_list(cluster: SimulatedCluster) -> None:
    assert_as_recorded("jobs-none", cluster, *LIST)


def test_no_instance(cluster: SimulatedCluster, tmp_path: Path) -> None:
    options = {"env": {**cluster.environment, **NOWHERE}}
    assert_as_recorded("jobs-no-instance", cluster, *LIST, **options)
    assert_as_recorded("submit-no-instance", cluster, "job", "submit", spec(tmp_path / "ok.json"), **options)
    assert_as_recorded("raise-no-instance", cluster, *CANCEL, "f4fr", **options)
    cluster.down()
    assert "Unable to connect to Flux: broker socket" in cluster.run("flux", *LIST).stderr
    cluster.up()
    assert_as_recorded("jobs-none", cluster, *LIST)


def test_submissions(cluster: SimulatedCluster, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    assert_as_recorded("submit-good", cluster, "job", "submit", "--urgency=16", spec(path))
    assert_as_recorded("submit-infeasible", cluster, "job", "submit", spec(path, nodes=5))
    assert_as_recorded("submit-bad-queue", cluster, "job", "submit", spec(path, queue="nosuch"))
    assert_as_recorded("submit-dependency-unknown", cluster, "job", "submit", spec(path, **dependency("after", "f4fr")))


def test_a_dependency_that_is_decided_already(cluster: SimulatedCluster, tmp_path: Path) -> None:
    good, bad = submit(cluster, "true"), submit(cluster, "false")
    ended(cluster, good, bad)
    path = tmp_path / "job.json"
    assert_as_recorded("submit-dependency-failed", cluster, "job", "submit", spec(path, **dependency("afterok", bad)))
    assert_as_recorded(
        "submit-dependency-succeeded", cluster, "job", "submit", spec(path, **dependency("afternotok", good))
    )


def test_raise_and_urgency(cluster: SimulatedCluster) -> None:
    runs, held = submit(cluster, "sleep", "60"), submit(cluster, "--urgency=hold", "true")
    other = submit(cluster, "sleep", "60")
    running(cluster, runs, other)
    assert_as_recorded("urgency-running", cluster, "job", "urgency", shown(runs), "hold")
    assert_as_recorded("raise-pending", cluster, *CANCEL, shown(held))
    assert_as_recorded("raise-running", cluster, *CANCEL, shown(runs))
    ended(cluster, runs, held)
    real = recorded("flux", "raise-some")
    done = cluster.run("flux", *CANCEL, "12345", shown(runs), shown(other))
    assert (done.returncode, masked(done.stderr)) == (real.exit_code, masked(real.stderr))
    assert_as_recorded("raise-inactive", cluster, *CANCEL, shown(runs))
    assert_as_recorded("raise-unknown", cluster, *CANCEL, "12345")
    assert_as_recorded("urgency-inactive", cluster, "job", "urgency", shown(runs), "hold")
    assert_as_recorded("urgency-unknown", cluster, "job", "urgency", "12345", "hold")


def test_the_list_of_what_is_alive_and_has_ended(cluster: SimulatedCluster, tmp_path: Path) -> None:
    """Jobs as those that were recorded; each line but for order."""
    path = tmp_path / "job.json"
    ok, three, killed = (submit_spec(cluster, path, "sh", "-c", text) for text in ("true", "exit 3", "kill -9 $$"))
    done = cluster.run("flux", "job", "submit", spec(path, "true", nodes=5))
    impossible = f"f{done.stdout.strip()[1:]}"
    runs = [submit_spec(cluster, path, "sleep", "60") for _ in range(3)]
    waits = submit_spec(cluster, path, "true", **dependency("afterok", runs[0]))
    held = [submit_spec(cluster, path, "true", urgency=0) for _ in range(2)]
    also = submit_spec(cluster, path, "true")
    ended(cluster, ok, three, killed, impossible, also)
    running(cluster, *runs)
    lines = masked(cluster.run("flux", *LIST).stdout).splitlines()
    assert sorted(lines) == sorted(masked(recorded("flux", "jobs-alive").stdout).splitlines())
    states = [line.split("|")[1] for line in lines]
    assert states == [line.split("|")[1] for line in recorded("flux", "jobs-alive").stdout.splitlines()]
    cluster.run("flux", *CANCEL, *runs)
    ended(cluster, *runs, waits)
    for native_id in held:
        cluster.run("flux", "job", "urgency", native_id, "default")
    ended(cluster, *held)
    lines = masked(cluster.run("flux", *LIST).stdout).splitlines()
    real = masked(recorded("flux", "jobs-ended").stdout).splitlines()
    assert set(lines) <= set(real)
    assert "never" in "".join(line for line in lines if "dependency" in line).replace("can never be", "never")


def test_a_time_limit_in_the_list(cluster: SimulatedCluster, tmp_path: Path) -> None:
    job = submit_spec(cluster, tmp_path / "job.json", "sleep", "60", duration=0.2)
    ended(cluster, job)
    line = masked(cluster.run("flux", *LIST).stdout).strip()
    assert line in masked(recorded("flux", "jobs-ended").stdout)
    assert "|TIMEOUT|16|36352|" in line


def test_the_log_of_events_is_that_of_the_journal(cluster: SimulatedCluster) -> None:
    job = submit(cluster, "sh", "-c", "exit 3")
    ended(cluster, job)
    lines = cluster.run("flux", "job", "eventlog", job).stdout.splitlines()
    journal = (Path(__file__).parents[1] / "recordings/flux/journal-whole.jsonl").read_text().splitlines()
    messages = [json.loads(line) for line in journal if line.startswith("{")]
    first = next(message["id"] for message in messages if message["id"] != -1)
    events = [event for message in messages if message["id"] == first for event in message["events"]]
    assert [line.split()[1] for line in lines] == [one["name"] for one in events if one["name"] != "annotations"]
    assert "finish status=768" in "\n".join(lines)
    assert cluster.run("flux", "job", "eventlog", "12345").stderr == "flux-job: job 12345 not found\n"


def test_ids(cluster: SimulatedCluster) -> None:
    first, second = submit(cluster, "true"), submit(cluster, "true")
    numbers = cluster.run("flux", "job", "id", "--to=dec", first, second).stdout.split()
    assert int(numbers[0]) < int(numbers[1])
    for to in ("dec", "f58", "f58plain", "hex", "kvs", "dothex"):
        text = cluster.run("flux", "job", "id", f"--to={to}", first).stdout.strip()
        assert cluster.run("flux", "job", "id", "--to=f58plain", text).stdout.strip() == first
    plain = cluster.run("flux", "submit", "true", env={**cluster.environment, "LC_ALL": "C"})
    assert re.fullmatch("f[0-9A-Za-z]+\n", plain.stdout)


def test_cancel_and_what_is_no_id(cluster: SimulatedCluster) -> None:
    job = submit(cluster, "sleep", "60")
    assert cluster.run("flux", "cancel", job).returncode == 0
    ended(cluster, job)
    assert cluster.run("flux", "cancel", job).stderr == f"flux-cancel: ERROR: {shown(job)}: job is inactive\n"
    assert cluster.run("flux", "cancel", "12345").stderr == "flux-cancel: ERROR: ƒ4fr: unknown job id\n"
    assert "invalid JobID value: 'notanid'" in cluster.run("flux", "cancel", "notanid").stderr
    assert cluster.run("flux", "jobs", "12345").stderr == "JobID 12345 unknown\n"
    told = json.loads(cluster.run("flux", "jobs", "--json", job).stdout)
    assert (told["result"], told["returncode"], told["exception"]["type"]) == ("CANCELED", 143, "cancel")


def test_run_shows_what_the_job_wrote(cluster: SimulatedCluster) -> None:
    done = cluster.run("flux", "run", "-n2", "sh", "-c", "echo $FLUX_TASK_RANK of $FLUX_JOB_SIZE")
    assert (done.returncode, sorted(done.stdout.splitlines())) == (0, ["0 of 2", "1 of 2"])
    done = cluster.run("flux", "run", "sh", "-c", "exit 3")
    assert (done.returncode, done.stderr) == (3, "flux-job: task(s) exited with exit code 3\n")
    done = cluster.run("flux", "run", "/no/such/binary")
    assert done.returncode == 127
    assert "start failed: /no/such/binary: No such file or directory" in done.stderr


def test_a_signal_to_the_shell_is_a_signal(cluster: SimulatedCluster) -> None:
    job = submit(cluster, "sleep", "60")
    until(lambda: cluster.job(job).pid is not None)
    cluster.run("kill", "-9", str(cluster.job(job).pid))
    ended(cluster, job)
    assert cluster.run("flux", *LIST).stdout.split("|")[4] == "9"


def test_pretend_jobs(cluster: SimulatedCluster) -> None:
    native_ids = cluster.populate(10)
    lines = cluster.run("flux", *LIST).stdout.splitlines()
    assert sorted(line.split("|")[1] for line in lines) == ["RUN"] * 5 + ["SCHED"] * 5
    assert cluster.run("flux", "cancel", *native_ids).returncode == 0
    lines = cluster.run("flux", *LIST).stdout.splitlines()
    assert [line.split("|")[2] for line in lines] == ["CANCELED"] * 10


def test_lists_that_lag(cluster: SimulatedCluster) -> None:
    job = submit(cluster, "sleep", "60")
    running(cluster, job)
    cluster.lag(60)
    cluster.run("flux", "cancel", job)
    ended(cluster, job)
    assert cluster.run("flux", *LIST).stdout.split("|")[1] == "RUN"
    cluster.clear_faults()
    assert cluster.run("flux", *LIST).stdout.split("|")[2] == "CANCELED"
