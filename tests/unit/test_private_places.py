"""Who can write where jobs are remembered says what runs as their user: so nobody else may."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from psij_like import JobExecutor, JobExecutorConfig, SubmitException
from psij_like._engine.host import LocalHost, is_odd
from psij_like._engine.job_files import Submission
from psij_like._engine.store import Store

JOB = "ab" * 16
START = {
    "job": JOB,
    "pid": 4242,
    "start": "1",
    "supervisor": [4243, "1"],
    "directory": "/somewhere/else",
    "intent": {"executor": "local", "submitted": 1, "submitter": ["vm", 1, "1"]},
}


@pytest.mark.parametrize("place", [".", "local", "local/jobs", "local/ledger", "local/journals"])
@pytest.mark.parametrize("request_", ["recover", "cancel", "info"])
def test_a_place_that_others_can_write_to_is_refused(place: str, request_: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    for name in ("jobs", "ledger", "journals"):
        (work / "local" / name).mkdir(parents=True)
    (work / place).chmod(0o777)
    executor = JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=work))
    arguments = [] if request_ == "recover" else ["4242"]
    with pytest.raises(SubmitException, match=r"others may write to it.*chmod -R go-w"):
        getattr(executor, request_)(*arguments)


def test_the_files_of_a_local_job_are_where_they_belong(tmp_path: Path) -> None:
    """Whatever a journal says: what ends is removed."""
    place, work = tmp_path / "precious", tmp_path / "work"
    place.mkdir()
    (work / "local" / "journals").mkdir(parents=True)
    end = {"job": JOB, "pid": 4242, "ended": 2.0, "exit_code": 0, "reason": "exit", "failure": None, "told": False}
    lines = [START | {"directory": str(place)}, end]
    lines[0]["intent"] = START["intent"] | {"jobs": [{"job_id": JOB, "spec": {"executable": "/bin/true"}}]}  # type: ignore[operator]
    (work / "local" / "journals" / "vm-1-a.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    executor = JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=work))
    (job,) = executor.recover()
    assert job.wait() is not None
    assert place.exists()


def test_a_ledger_names_no_place_outside(tmp_path: Path) -> None:
    store = Store(LocalHost(), tmp_path / "work" / "slurm")
    (tmp_path / "work" / "slurm" / "ledger").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "body.sh").touch()
    for name in ("../../../other", str(tmp_path / "other"), "..", ""):
        line = {"job_id": JOB, "native_id": "17", "submission": name, "index": None, "noted": 1.0}
        (tmp_path / "work" / "slurm" / "ledger" / "a.jsonl").write_text(f"{json.dumps(line)}\n")
        assert store.files("17") is None


def test_another_users_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    assert LocalHost().read(path) == "x"
    found = os.stat_result((*path.stat()[:4], 12345, *path.stat()[5:]))
    monkeypatch.setattr("psij_like._engine.host.os.fstat", lambda _: found)
    with pytest.raises(OSError, match="another user") as caught:
        LocalHost().read(path)
    assert is_odd(caught.value)


def test_lines_that_nobody_of_us_wrote_cost_themselves(tmp_path: Path) -> None:
    deep = "[" * 100_000
    (tmp_path / "work" / "slurm" / "ledger").mkdir(parents=True)
    good = {
        "job_id": JOB,
        "native_id": "17",
        "state": "FAILED",
        "time": 1.0,
        "message": None,
        "exit_code": 3,
        "metadata": {},
    }
    text = f'{{"job_id": "17", "state": {deep}\n{json.dumps(good | {"noted": 1.0})}\n'
    (tmp_path / "work" / "slurm" / "ledger" / "a.jsonl").write_text(text)
    assert Store(LocalHost(), tmp_path / "work" / "slurm").ended() == {JOB}
    (tmp_path / "body.sh").write_text(f"#psij_intent {deep}\n")
    assert Submission(LocalHost(), str(tmp_path)).intent() == {}
    (tmp_path / "claim.ab").symlink_to(f"void:{'[' * 4000}")
    assert Submission(LocalHost(), str(tmp_path)).claimant() is None
