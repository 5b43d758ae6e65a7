"""The journals of local jobs: which job is meant, and what is forgotten."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from psij_like._engine.follow import Followed
from psij_like._engine.host import LocalHost
from psij_like._engine.house import house
from psij_like._engine.journal import Journals
from psij_like._engine.journal_writer import JournalWriter
from psij_like._engine.tracked import Tracked
from psij_like.job import Job
from psij_like.job_state import JobState

DAY = 86400.0
NOBODY = 2**22 + 1  # no process has such an id


def start(job: str, pid: int, machine: str, submitted: float = 1.0) -> str:
    line = {
        "job": job,
        "pid": pid,
        "start": "1@another boot",
        "supervisor": [NOBODY, "1@another boot"],
        "directory": None,
        "intent": {"submitted": submitted, "submitter": [machine, NOBODY, "1@another boot"]},
    }
    return json.dumps(line) + "\n"


def end(job: str, pid: int, *, told: bool = True) -> str:
    line = {"job": job, "pid": pid, "ended": 2.0, "exit_code": 3, "reason": "exit", "failure": None, "told": told}
    return json.dumps(line) + "\n"


def test_whose_process_id_is_meant(tmp_path: Path) -> None:
    journals, here = Journals(LocalHost(), tmp_path), socket.gethostname()
    (tmp_path / "a.jsonl").write_text(start("mine", 7, here) + start("other", 8, "login2"))
    (tmp_path / "b.jsonl").write_text(start("theirs", 7, "login2", 9.0) + end("theirs", 7))
    mine, other, theirs = (journals.find(known) for known in ("7", "8", "theirs"))
    assert mine is not None and other is not None and theirs is not None
    assert [entry.job for entry in (mine, other, theirs)] == ["mine", "other", "theirs"]
    assert [entry.elsewhere for entry in (mine, other, theirs)] == [False, True, True]
    assert mine.report() is None, "its process is gone from this machine"
    report = other.report()
    assert report is not None, "what is on another machine may live"
    assert report.state is None
    report = theirs.report()
    assert report is not None
    assert (report.state, report.exit_code) == (JobState.FAILED, 3)


def test_what_is_old_is_forgotten_but_not_under_a_client_s_hands(tmp_path: Path) -> None:
    here = socket.gethostname()
    keeps = {
        f"{here}-{os.getpid()}-a.jsonl": end("x", 1),  # its client lives
        f"{here}-{NOBODY}-b.jsonl": start("x", 1, here),  # nobody has heard of its end
        f"{here}-{NOBODY}-c.jsonl": start("x", 1, here) + end("x", 1, told=False),
    }
    goes = {f"{here}-{NOBODY}-d.jsonl": start("x", 1, here) + end("x", 1), f"login2-{os.getpid()}-e.jsonl": ""}
    for name, text in {**keeps, **goes}.items():
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1, 1))
    own = Journals(LocalHost(), tmp_path, DAY).own
    assert {path.name for path in tmp_path.iterdir()} == set(keeps)
    assert str(os.getpid()) in own.name


def test_a_journal_that_others_forgot_is_begun_anew(tmp_path: Path) -> None:
    journal, writer = tmp_path / "a.jsonl", JournalWriter()
    writer.add(str(journal), {"line": 1})
    journal.unlink()
    writer.add(str(journal), {"line": 2})
    assert journal.read_text() == '{"line": 2}\n'


def test_an_end_that_is_written_during_the_look(tmp_path: Path) -> None:
    """The supervisor writes it, and is gone when somebody looks whether it will."""
    path = tmp_path / "a.jsonl"
    path.write_text(start("mine", NOBODY, socket.gethostname()))

    class Late(Journals):
        def ends(self, journal: Path) -> dict[str, dict[str, Any]]:
            found = super().ends(journal)
            path.write_text(start("mine", NOBODY, socket.gethostname()) + end("mine", NOBODY))
            return found

    journals = Late(LocalHost(), tmp_path)
    entry = journals.find("mine")
    assert entry is not None
    house().attach(entry, journals)
    tracked = Tracked(Followed(Job(), lambda: None, lambda *_: None), "mine")
    assert house().poll([tracked])["mine"].exit_code == 3
