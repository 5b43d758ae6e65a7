"""What is remembered of jobs on disk: all of it or nothing, whatever else is found there."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from psij_like._engine.host import LocalHost
from psij_like._engine.job_files import JobFiles, Submission
from psij_like._engine.processes import start_time
from psij_like._engine.store import Store
from psij_like._engine.submitter import Submitter
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus, Reason

DATA = "x='psij_token=00ff'\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(LocalHost(), tmp_path / "deep" / "work" / "slurm")


def intent(*jobs: str, **facts: Any) -> dict[str, object]:
    return {
        "executor": "slurm",
        "token": "00ff",
        "jobs": [{"job_id": job, "spec": {"name": job}} for job in jobs],
        **facts,
    }


def created(store: Store, name: str, **facts: Any) -> JobFiles:
    """A job that was written down whole."""
    submission = store.create(name)
    submission.write("submit.00ff", "psij_token=00ff\necho psij_token=00ff\n", 0o700)
    submission.write_body(DATA, intent(name, **facts))
    return JobFiles(submission, name)


def accepted(store: Store, name: str, native_id: str, **facts: Any) -> JobFiles:
    files = created(store, name, **facts)
    store.note_accepted([(files, native_id)])
    return files


def array(store: Store, name: str, count: int) -> Submission:
    submission = store.create(name, count)
    submission.write_body(DATA, intent(*(f"{name}{number}" for number in range(1, count + 1)), array=True))
    return submission


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def ledgers(store: Store) -> list[Path]:
    return list((store.directory / "ledger").iterdir())


# ---- one submission


def test_modes(store: Store) -> None:
    old = os.umask(0o000)
    try:
        files = accepted(store, "a", "1")
        store.note_end("a", "1", JobStatus(JobState.COMPLETED))
    finally:
        os.umask(old)
    assert mode(files.submission.path("body.sh")) == 0o600
    assert mode(files.submission.path("submit.00ff")) == 0o700
    for directory in (files.directory, *files.directory.parents[:4]):
        assert mode(directory) == 0o700
    (ledger,) = ledgers(store)
    assert mode(ledger) == 0o600
    assert mode(ledger.parent) == 0o700


def test_the_intent_is_remembered_wholly(store: Store) -> None:
    submission = store.create("a")
    assert submission.intent() == {}
    wanted = intent("a", x=[1, "ü", "\n#psij_intent {}\n"])
    submission.write_body(DATA, wanted)
    assert submission.intent() == wanted
    assert submission.path("body.sh").read_text().startswith(DATA)


def test_a_torn_intent_counts_for_nothing(store: Store) -> None:
    submission = created(store, "a").submission
    whole = submission.path("body.sh").read_text()
    for cut in range(len(DATA), len(whole) - 1):
        submission.path("body.sh").write_text(whole[:cut])
        assert submission.intent() == {}
    submission.path("body.sh").write_text(whole[:-1])
    assert submission.intent() == intent("a")


def test_no_job_is_made_twice(store: Store) -> None:
    files = created(store, "a")
    with pytest.raises(FileExistsError):
        store.create("a")
    with pytest.raises(FileExistsError):
        files.submission.write("body.sh", "")
    assert files.submission.intent() == intent("a")


def test_remove(store: Store) -> None:
    files = created(store, "a")
    files.remove()
    files.remove()
    assert not files.directory.exists()


def test_the_files_of_an_array_go_with_its_last_job(store: Store) -> None:
    submission = array(store, "a", 2)
    first, second = (JobFiles(submission, f"a{index}", index) for index in (1, 2))
    first.host.make_directory(first.directory)
    assert first.directory != second.directory
    first.remove()
    assert not first.directory.exists()
    assert not second.gone()
    second.remove()
    assert first.gone()
    assert not Path(submission.directory).exists()


def test_a_cancel_is_marked_where_the_job_looks(store: Store) -> None:
    element, alone = JobFiles(array(store, "a", 2), "a2", 2), created(store, "b")
    for files in (element, alone):
        assert not files.cancel_asked
        assert files.mark_cancelled() == files.directory / "cancel"
        assert files.cancel_asked
        files.submission.remove()
        assert files.mark_cancelled() is None


def test_renew_gives_a_new_token_once_no_earlier_copy_can_run(store: Store) -> None:
    assert store.create("b").renew() is None  # nothing was ever written that could run
    submission = created(store, "a").submission
    submission.write("answer.00ff", "an orphan's")
    submission.write("jobspec.00ff", "x 00ff")
    assert submission.token() == "00ff"
    new = submission.renew()
    assert new not in (None, "00ff")
    assert submission.token() == new
    assert submission.path("submit.00ff").read_text() == "psij_token=00ff\necho psij_token=00ff\n"
    assert submission.path(f"submit.{new}").read_text() == f"psij_token={new}\necho psij_token={new}\n"
    assert submission.path(f"jobspec.{new}").read_text() == f"x {new}"
    assert not submission.path(f"answer.{new}").exists()
    assert submission.intent() == intent("a")
    assert submission.claimant() is None
    submission.path(f"claim.{new}").symlink_to("17")
    assert submission.claimant() == "17"
    assert submission.renew() is None


def test_renew_leaves_it_to_a_process_that_is_at_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    files = created(store, "a")
    sleeper = subprocess.Popen(["sleep", "60"])
    other = Submitter(socket.gethostname(), sleeper.pid, start_time(sleeper.pid))
    try:
        with monkeypatch.context() as patch:
            patch.setattr("psij_like._engine.job_files.this_process", lambda: other)
            theirs = files.submission.renew()
        assert theirs is not None
        assert files.submission.renew() is None
        assert files.submission.token() == theirs
    finally:
        sleeper.kill()
        sleeper.wait()
    assert files.submission.renew() not in (None, theirs)  # it died
    assert {path.name for path in files.directory.glob("claim.*")} == {"claim.00ff", f"claim.{theirs}"}


def test_renew_waits_for_a_process_on_another_machine(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    files = created(store, "a")
    with monkeypatch.context() as patch:
        patch.setattr("psij_like._engine.job_files.this_process", lambda: Submitter("elsewhere", 1, "x"))
        assert files.submission.renew()
    assert not files.submission.renew()
    aged(files.directory, 0.01)
    assert files.submission.renew()


def test_of_many_that_renew_at_once_one_does(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    created(store, "a")
    monkeypatch.setattr("psij_like._engine.job_files.this_process", lambda: Submitter("elsewhere", 1, "x"))
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda _: Submission(store.host, store.path("a")).renew(), range(8)))
    assert sum(token is not None for token in won) == 1


@pytest.mark.parametrize(
    "target", ["void:", "void:[]", "void:{}", 'void:["../x", "h", 1, "s"]', "void:[1, 2, 3, 4]", "x"]
)
def test_renew_of_what_makes_no_sense(store: Store, target: str) -> None:
    files = created(store, "a")
    files.submission.path("claim.00ff").symlink_to(target)
    assert not files.submission.renew()


# ---- what is remembered


def test_recall_takes_the_newest_of_a_reused_id(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, when in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        monkeypatch.setattr("psij_like._engine.store.time.time", lambda when=when: when)
        accepted(store, name, "77")
    accepted(store, "d", "777")
    monkeypatch.undo()
    found = store.recall("77").files
    assert found is not None
    assert found.directory.name == "b"
    for unknown in ("7", "7777"):
        assert store.recall(unknown) == (None, None)


def test_recall_finds_an_element_of_an_array(store: Store) -> None:
    submission = array(store, "a", 3)
    store.note_accepted((JobFiles(submission, f"a{index}", index), f"9_{index}") for index in (1, 2, 3))
    found = Store(store.host, store.directory).recall("9_2").files
    assert found is not None
    assert (found.job_id, found.directory) == ("a2", Path(submission.directory, "2"))


def test_recall_goes_by_the_claim_where_no_id_was_noted(store: Store) -> None:
    created(store, "a").submission.path("claim.abc").symlink_to("5")
    accepted(store, "b", "6").submission.path("claim.abc").symlink_to("6")
    found = store.recall("5").files
    assert found is not None
    assert found.directory.name == "a"


def test_an_end_is_remembered_wholly(store: Store) -> None:
    status = JobStatus(JobState.FAILED, 12.5, "a\nb \u2028", 3, {"reason": Reason.SIGNAL, "signal": 9})
    accepted(store, "a", "5")
    store.note_end("a", "5", status)
    assert store.end("5") == status
    again = Store(store.host, store.directory)
    assert again.recall("5") == (None, status)
    assert again.end("6") is None
    assert Store(store.host, store.directory / "none").end("5") is None


def test_the_newest_end_of_a_reused_id(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Store(store.host, store.directory)
    for where, when, code in ((store, 1.0, 1), (other, 3.0, 3), (store, 2.0, 2)):
        monkeypatch.setattr("psij_like._engine.store.time.time", lambda when=when: when)
        where.note_end("a", "5", JobStatus(JobState.FAILED, 1.0, None, code))
    monkeypatch.undo()
    found = store.end("5")
    assert found is not None
    assert found.exit_code == 3


ODD = [
    '{"native_id": "5", "state": "COMPL',
    '{"native_id": "5"}',
    '["5"]',
    '"5"',
    '{"job_id": "z", "noted": 1e300, "native_id": "5", "state": "GONE", "time": 1, "message": null, "exit_code": 0}',
    '{"job_id": "z", "noted": 1e300, "native_id": "5", "submission": 7, "index": null}',
    '{"job_id": "z", "noted": "x", "native_id": "5"}',
    '{"job_id": "z", "noted": null, "native_id": "5", "state": []}',
    '{"job_id": {}, "noted": 1e999, "native_id": "5", "state": []}',
    '\udcff"5"',
]


@pytest.mark.parametrize("line", ODD)
def test_an_odd_line_costs_that_line(store: Store, line: str) -> None:
    accepted(store, "a", "4")
    accepted(store, "b", "5")
    store.note_end("b", "5", JobStatus(JobState.FAILED, 1.0, None, 3))
    (ledger,) = ledgers(store)
    with ledger.open("ab") as file:
        file.write(line.encode("utf-8", "surrogateescape") + b"\n")
    found = store.end("5")
    assert found is not None
    assert found.exit_code == 3
    assert [remembered.submission.name for remembered in store.unfinished()] == ["a"]


# ---- what is unfinished


def test_unfinished_jobs_come_in_the_order_of_their_submission(store: Store) -> None:
    for name, submitted in (("a", 2.0), ("b", 1.0), ("c", 3.0)):
        created(store, name, submitted=submitted)
    assert [remembered.submission.name for remembered in store.unfinished()] == ["b", "a", "c"]


def test_jobs_with_a_known_end_are_finished_though_their_files_are_there(store: Store) -> None:
    submission = array(store, "a", 3)
    for name in ("a1", "a3"):
        store.note_end(name, "9", JobStatus(JobState.COMPLETED))
    accepted(store, "b", "5")
    store.note_end("b", "5", JobStatus(JobState.COMPLETED))
    ((found, told, jobs),) = store.unfinished()
    assert (found.directory, found.unfinished, told["array"]) == (submission.directory, 1, True)
    (files, spec) = jobs[0]
    assert (files.job_id, files.index, spec) == ("a2", 2, {"name": "a2"})


def test_what_makes_no_sense_is_no_unfinished_job(store: Store) -> None:
    created(store, "good")
    for number, text in enumerate(["", "{", "[]", '{"jobs": 7}', '{"jobs": [7, {}, {"job_id": "x"}]}', "\udcff"]):
        submission = store.create(f"bad{number}")
        submission.path("body.sh").write_bytes(f"{DATA}#psij_intent {text}".encode("utf-8", "surrogateescape"))
    (store.directory / "jobs" / "a file").write_text("x")
    (store.directory / "jobs" / "empty").mkdir()
    assert [remembered.submission.name for remembered in store.unfinished()] == ["good"]
    assert Store(store.host, store.directory / "none").unfinished() == []


def test_the_ledger_is_whole_lines_of_json(store: Store) -> None:
    accepted(store, "a", "4")
    store.note_end("a", "4", JobStatus(JobState.FAILED, 1.0, "\n\x85\u2028"))
    (ledger,) = ledgers(store)
    lines = ledger.read_text().splitlines()
    assert [json.loads(line)["native_id"] for line in lines] == ["4", "4"]


# ---- what is forgotten


DAY = 86400


def aged(path: Path, days: float) -> None:
    for each in (*path.rglob("*"), path):
        when = each.lstat().st_mtime - days * DAY
        os.utime(each, (when, when), follow_symlinks=False)


def test_what_is_old_is_forgotten_but_nothing_that_an_unfinished_job_needs(tmp_path: Path) -> None:
    place = tmp_path / "work" / "slurm"
    old = Store(LocalHost(), place)
    kept, unfinished, array_of_two = accepted(old, "kept", "1"), accepted(old, "unfinished", "2"), array(old, "a", 2)
    torn = old.create("torn")
    old.note_end("kept", "1", JobStatus(JobState.COMPLETED))
    old.note_end("a1", "9_1", JobStatus(JobState.COMPLETED))
    done = Store(LocalHost(), place)
    done.note_end("gone", "3", JobStatus(JobState.COMPLETED))
    aged(place, 10)
    fresh = Store(LocalHost(), place)
    fresh.note_end("new", "4", JobStatus(JobState.COMPLETED))

    def remembered(store: Store) -> list[bool]:
        files = (kept.directory, unfinished.directory, Path(array_of_two.directory), Path(torn.directory))
        return [*(path.exists() for path in files), *(bool(store.end(one)) for one in ("1", "3", "4"))]

    for_ever = Store(LocalHost(), place)
    for_ever.create("x")
    later = Store(LocalHost(), place, 11 * DAY)
    later.create("y")
    assert remembered(later) == [True] * 7
    (place / "pruned").unlink()
    Store(LocalHost(), place, 9 * DAY).create("z")
    assert remembered(later) == [False, True, True, False, True, True, True], "a client that lives keeps its ledger"
    for number, path in enumerate((place / "ledger").iterdir()):
        path.rename(path.with_name(f"{socket.gethostname()}-{2**22 + number}-00.jsonl"))  # no process has such an id
    (place / "pruned").unlink()
    now = Store(LocalHost(), place, 9 * DAY)
    now.create("now")
    # The ledger that tells of "unfinished" stays, and so does what else it tells.
    assert remembered(now) == [False, True, True, False, True, False, True]
    assert {each.submission.name for each in now.unfinished()} == {"unfinished", "a"}


def test_it_is_looked_for_once_a_day(tmp_path: Path) -> None:
    place = tmp_path / "work" / "slurm"
    Store(LocalHost(), place, 0).create("first")
    torn = Path(Store(LocalHost(), place).create("torn").directory)
    aged(torn, 10)
    Store(LocalHost(), place, 0).create("second")
    assert torn.exists()
    aged(place / "pruned", 1.1)
    Store(LocalHost(), place, 0).create("third")
    assert not torn.exists()


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_directory_that_others_can_change_is_not_used(tmp_path: Path, mode: int) -> None:
    for place in ("work", "work/slurm"):
        directory = tmp_path / place
        directory.mkdir(exist_ok=True)
        directory.chmod(mode)
        with pytest.raises(PermissionError, match="others may write to it"):
            Store(LocalHost(), tmp_path / "work" / "slurm").create("a")
        directory.chmod(0o755)


def test_a_directory_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psij_like._engine.store.os.geteuid", lambda: os.getuid() + 1)
    (tmp_path / "work").mkdir()
    with pytest.raises(PermissionError, match="another user"):
        Store(LocalHost(), tmp_path / "work" / "slurm").create("a")


def test_what_is_forgotten_can_not_start_meanwhile(store: Store) -> None:
    """First goes what a copy reads before it looks for a claim."""
    files = accepted(store, "a", "4")
    removed: list[str] = []

    class Watched(LocalHost):
        def remove(self, path: Path) -> None:
            removed.append(path.name)
            assert files.directory.exists() == (path.name == "body.sh"), "no claim goes before the place for one"
            super().remove(path)

    Submission(Watched(), str(files.directory)).remove()
    assert removed[0] == "body.sh"
    assert not list(files.directory.parent.iterdir())
    assert not files.directory.exists()


def test_a_native_id_is_known_by_the_job_s_own(store: Store) -> None:
    files = accepted(store, "a", "4")
    assert store.native_id("a") == "4"
    accepted(store, "b", "5")
    assert [store.native_id(job) for job in ("a", "b", "c")] == ["4", "5", None]
    for path in ledgers(store):
        path.unlink()
    assert store.native_id("a") is None
    files.path("claim.12ab").symlink_to("44")
    assert store.native_id("a") == "44"
