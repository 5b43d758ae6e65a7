"""What is on disk about jobs: read whatever it holds, and never believed when it is torn."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from psij_like._engine.host import LocalHost
from psij_like._engine.job_files import JobFiles, Record, Store
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus, Reason

WHOLE = "exit_code=3\nreceived=\nended=1700000000.5\nphase=\nfailure=\nwhole=1\n"
EVENTS = "1.5 STAGE_IN\n2.5 ACTIVE\n"


@pytest.fixture
def files(tmp_path: Path) -> JobFiles:
    return JobFiles(LocalHost(), tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(LocalHost(), tmp_path / "deep" / "work" / "slurm")


def put(files: JobFiles, **texts: str) -> None:
    for name, text in texts.items():
        files.path(name.replace("_", ".")).write_bytes(text.encode("utf-8", "surrogateescape"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---- records


def test_before_the_start_there_is_no_record(files: JobFiles) -> None:
    assert files.record() is None
    put(files, body_sh="", submit="", native_id="1")
    assert files.record() is None
    assert JobFiles(LocalHost(), files.directory / "none").record() is None


def test_a_whole_record(files: JobFiles) -> None:
    put(files, events_1=EVENTS, end_1=WHOLE)
    events = ((JobState.STAGE_IN, 1.5), (JobState.ACTIVE, 2.5))
    assert files.record() == Record(1, events, 1700000000.5, 3)
    put(files, end_1="exit_code=\nreceived=15\nended=7\nphase=launch\nfailure=a=b c\nwhole=1\n")
    assert files.record() == Record(1, events, 7.0, None, 15, "a=b c", "launch")


def test_the_latest_run_counts(files: JobFiles) -> None:
    put(files, events_1=EVENTS, end_1=WHOLE, events_2="9.0 ACTIVE\n")
    assert files.record() == Record(2, ((JobState.ACTIVE, 9.0),))
    put(files, events_10="", events_9=EVENTS)  # by number, not by name
    assert files.record() == Record(10)


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_torn_end_says_nothing(files: JobFiles, cut: int) -> None:
    put(files, events_1=EVENTS, end_1=WHOLE[:cut])
    record = files.record()
    assert record is not None
    assert (record.ended, record.exit_code) == (None, None)


def test_an_end_that_is_not_renamed_yet_says_nothing(files: JobFiles) -> None:
    put(files, events_1=EVENTS, end_1_new=WHOLE)
    record = files.record()
    assert record is not None
    assert record.ended is None


@pytest.mark.parametrize("cut", range(len(EVENTS)))
def test_a_torn_line_of_events_says_nothing(files: JobFiles, cut: int) -> None:
    put(files, events_1=EVENTS[:cut])
    record = files.record()
    assert record is not None
    assert record.events == (((JobState.STAGE_IN, 1.5),) if cut >= len("1.5 STAGE_IN\n") else ())


@pytest.mark.parametrize(
    "line", ["1 COMPLETED", "1 FAILED", "1 CANCELED", "1 NEW", "1 QUEUED", "nan ACTIVE", "inf ACTIVE"]
)
def test_events_tell_of_a_running_job_only(files: JobFiles, line: str) -> None:
    """The end of a job is told by its end file alone."""
    put(files, events_1=f"1 ACTIVE\n{line}\n")
    assert files.record() == Record(1, ((JobState.ACTIVE, 1.0),))


@pytest.mark.parametrize("ended", ["nan", "inf", "-inf", "1e400", "", "soon"])
def test_an_end_at_no_time_says_nothing(files: JobFiles, ended: str) -> None:
    put(files, end_1=WHOLE.replace("1700000000.5", ended))
    assert files.record() == Record(1)


@pytest.mark.parametrize("separator", list("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))
def test_S3_a_sentence_can_not_add_lines(files: JobFiles, separator: str) -> None:
    """The sentence may quote the user's own names; only a newline, which the body takes out, ends a line."""
    sentence = separator.join(["the job's directory '/x", "exit_code=0", "failure=", "' does not exist"])
    put(files, end_1=f"exit_code=\nreceived=\nended=1\nphase=launch\nfailure={sentence}\nwhole=1\n")
    assert files.record() == Record(1, (), 1.0, None, None, sentence, "launch")


TEXT = st.one_of(
    st.binary(max_size=200).map(os.fsdecode),
    st.lists(
        st.one_of(
            st.sampled_from([*WHOLE.splitlines(), *EVENTS.splitlines(), "whole=1", "exit_code=9999999999", "ended=x"]),
            st.text(max_size=20),
        )
    ).map(lambda lines: "".join(line + "\n" for line in lines).encode("utf-8", "replace").decode()),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    events=TEXT, end=TEXT, name=st.sampled_from(["end.1", "end.2", "end.007", "end.x", "end.1234567890", "end.\u0661"])
)
def test_garbage_is_read_without_a_word(files: JobFiles, events: str, end: str, name: str) -> None:
    for old in files.directory.iterdir():
        old.unlink()
    put(files, events_1=events)
    (files.directory / name).write_bytes(end.encode("utf-8", "surrogateescape"))
    record = files.record()
    assert record is not None
    if record.ended is not None:
        assert end.endswith("whole=1\n")
    assert all(not state.final for state, _ in record.events)


def test_directories_in_the_place_of_files(files: JobFiles) -> None:
    (files.directory / "events.1").mkdir()
    with pytest.raises(OSError):
        files.record()


@pytest.mark.parametrize(
    ("record", "clean"),
    [
        (Record(1), False),
        (Record(1, ended=1.0, exit_code=0), True),
        (Record(1, ended=1.0, exit_code=128), True),
        (Record(1, ended=1.0, exit_code=129), False),
        (Record(1, ended=1.0, exit_code=0, received=15), False),
        (Record(1, ended=1.0), True),
    ],
)
def test_clean(record: Record, clean: bool) -> None:
    assert record.clean == clean


# ---- the store


def created(store: Store, job_id: str, intent: dict[str, object]) -> JobFiles:
    files = store.create(job_id)
    files.remember(intent)
    return files


def test_modes(store: Store) -> None:
    old = os.umask(0o000)
    try:
        files = created(store, "a", {"x": 1})
        store.remember_end("a", "1", JobStatus(JobState.COMPLETED))
        files.host.append(files.path("log"), "line\n")
        files.host.write(files.path("script"), "x", 0o700)
    finally:
        os.umask(old)
    assert mode(files.path("job.json")) == 0o600
    assert mode(files.path("log")) == 0o600
    assert mode(files.path("script")) == 0o700
    for directory in (files.directory, *files.directory.parents[:4]):
        assert mode(directory) == 0o700
    (ended,) = (store.directory / "ended").iterdir()
    assert mode(ended) == 0o600
    assert mode(ended.parent) == 0o700


def test_the_intent_is_whole_and_no_job_is_made_twice(store: Store) -> None:
    files = created(store, "a", {"x": [1, "ü"]})
    assert json.loads(files.path("job.json").read_text()) == {"x": [1, "ü"]}
    with pytest.raises(FileExistsError):
        created(store, "a", {})
    assert json.loads(files.path("job.json").read_text()) == {"x": [1, "ü"]}


def test_remove(store: Store) -> None:
    files = created(store, "a", {})
    files.remove()
    files.remove()
    assert not files.directory.exists()


def test_find_takes_the_newest_of_a_reused_id(store: Store) -> None:
    for job_id, submitted in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        files = created(store, job_id, {"submitted": submitted})
        files.host.write(files.path("native_id"), "77\n")
    other = created(store, "d", {"submitted": 9.0})
    other.host.write(other.path("native_id"), "777\n")
    found = store.find("77")
    assert found is not None
    assert found.directory.name == "b"
    assert store.find("7") is None
    assert store.find("7777") is None


def test_find_goes_by_the_claim_where_no_id_was_remembered(store: Store) -> None:
    claimed = created(store, "a", {"submitted": 1})
    claimed.path("claim.abc").symlink_to("5")
    remembered = created(store, "b", {"submitted": 2})
    remembered.host.write(remembered.path("native_id"), "6\n")
    remembered.path("claim.abc").symlink_to("5")
    found = store.find("5")
    assert found is not None
    assert found.directory.name == "a"


def test_find_is_not_stopped_by_other_jobs(store: Store) -> None:
    good = created(store, "good", {"submitted": 1})
    good.host.write(good.path("native_id"), "5\n")
    for number, text in enumerate(["", "{", "[]", '{"submitted": "x"}', '{"submitted": null}', "\udcff"]):
        bad = created(store, f"bad{number}", {})
        bad.host.write(bad.path("job.json"), text)
        bad.host.write(bad.path("native_id"), "5\n")
    (store.directory / "jobs" / "a file").write_text("x")
    (store.directory / "jobs" / "empty").mkdir()
    found = store.find("5")
    assert found is not None
    assert found.directory.name == "good"
    assert Store(store.host, store.directory / "none").find("5") is None


def test_an_end_is_remembered_wholly(store: Store) -> None:
    status = JobStatus(JobState.FAILED, 12.5, "a\nb \u2028", 3, {"reason": Reason.SIGNAL, "signal": 9})
    store.remember_end("a", "5", status)
    assert store.find_end("5") == status
    again = Store(store.host, store.directory)
    assert again.find_end("5") == status
    assert again.find_end("6") is None
    assert Store(store.host, store.directory / "none").find_end("5") is None


def test_the_newest_end_of_a_reused_id(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Store(store.host, store.directory)
    for where, when, code in ((store, 1.0, 1), (other, 3.0, 3), (store, 2.0, 2)):
        monkeypatch.setattr("psij_like._engine.job_files.time.time", lambda when=when: when)
        where.remember_end("a", "5", JobStatus(JobState.FAILED, 1.0, None, code))
    monkeypatch.undo()
    found = store.find_end("5")
    assert found is not None
    assert found.exit_code == 3


@pytest.mark.parametrize(
    "line",
    [
        '{"native_id": "5", "state": "COMPL',
        '{"native_id": "5"}',
        '["5"]',
        '"5"',
        '{"native_id": "5", "state": "GONE", "time": 1, "message": null, "exit_code": 0, "metadata": {}}',
        '{"native_id": "5", "state": "FAILED", "time": "x", "message": null, "exit_code": 0, "metadata": {}}',
        '{"native_id": "5", "remembered": "x"}',
        '{"native_id": "5", "remembered": null}',
        '{"native_id": "5", "state": [], "remembered": 1e999}',
        '\udcff"5"',
    ],
)
def test_an_odd_line_about_an_end_costs_that_line(store: Store, line: str) -> None:
    store.remember_end("a", "5", JobStatus(JobState.FAILED, 1.0, None, 3))
    (ended,) = (store.directory / "ended").iterdir()
    with ended.open("ab") as file:
        file.write(line.encode("utf-8", "surrogateescape") + b"\n")
    found = store.find_end("5")
    assert found is not None
    assert found.exit_code == 3


# ---- submitting again


def test_renew_gives_a_new_token_once_no_earlier_copy_can_run(store: Store) -> None:
    files = created(store, "a", {})
    assert not files.renew()  # nothing was ever written that could run
    files.host.write(files.path("body.sh"), "x=1\npsij_valid_token=00ff\ny='psij_valid_token=00ff'\n")
    files.host.write(files.path("submit"), "psij_token=00ff\necho psij_token=00ff\n")
    assert files.renew()
    assert files.host.link_target(files.path("claim.00ff")) == "void"
    body, script = files.path("body.sh").read_text(), files.path("submit").read_text()
    new = script.split("\n")[0].removeprefix("psij_token=")
    assert new != "00ff"
    assert body == f"x=1\npsij_valid_token={new}\ny='psij_valid_token=00ff'\n"
    assert script == f"psij_token={new}\necho psij_token=00ff\n"
    files.path(f"claim.{new}").symlink_to("17")
    assert files.native_id() == "17"
    assert not files.renew()
    assert files.path("submit").read_text() == script


def test_unfinished_jobs_come_in_the_order_of_their_submission(store: Store) -> None:
    for job_id, submitted in (("a", 2.0), ("b", 1.0), ("c", 3.0)):
        created(store, job_id, {"submitted": submitted})
    assert [files.directory.name for files in store.unfinished()] == ["b", "a", "c"]
