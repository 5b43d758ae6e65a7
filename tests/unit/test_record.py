"""What jobs write about themselves: read whatever it holds, and never believed when it is torn."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psij_like._engine.host import LocalHost
from psij_like._engine.job_files import JobFiles, single
from psij_like._engine.record import Record
from psij_like.job_state import JobState

WHOLE = "exit_code=3\nreceived=\nended=1700000000.5\nphase=\nfailure=\nwhole=1\n"
EVENTS = "1.5 STAGE_IN\n2.5 ACTIVE\n"


@pytest.fixture
def files(tmp_path: Path) -> JobFiles:
    return single(LocalHost(), tmp_path)


def put(files: JobFiles, **texts: str) -> None:
    for name, text in texts.items():
        files.path(name.replace("_", ".")).write_bytes(text.encode("utf-8", "surrogateescape"))


# ---- records


def test_before_the_start_there_is_no_record(files: JobFiles) -> None:
    assert files.record() is None
    put(files, body_sh="", submit="", native_id="1")
    assert files.record() is None
    assert single(LocalHost(), files.directory / "none").record() is None


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


@settings(deadline=None)
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
