"""The tracker: when it asks, when it looks, and that nothing keeps it from either."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from psij_like._engine.doorbell import Doorbell
from psij_like._engine.evidence import Patience, Report
from psij_like._engine.follow import Followed
from psij_like._engine.host import LocalHost
from psij_like._engine.job_files import JobFiles, single
from psij_like._engine.source import Unreachable
from psij_like._engine.tracked import Tracked
from psij_like._engine.tracker import Pace, Tracker, shared_tracker
from psij_like.job import Job
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus, Reason

PACE = Pace(first=0.02, shortest=0.02, longest=0.05, patience=Patience(record=0.3, lost=0.6))
SLOW = Pace(first=60, shortest=60, longest=60)  # whoever hears of something has not asked for it
END = "exit_code={}\nreceived=\nended={}\nphase=\nfailure=\nwhole=1\n"


def report(native_id: str, state: JobState | None, **facts: Any) -> Report:
    return Report(native_id, state, **facts)


class FakeSource:
    """Answers what it is told to; `answer` and `detail` may be set at any time."""

    trusted = True
    limit_signals: frozenset[int] = frozenset()
    reserved: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.polls: list[list[str]] = []
        self.times: list[float] = []
        self.detailed: list[list[str]] = []
        self.withdrawn: list[list[str]] = []
        self.answer: Callable[[list[str]], Mapping[str, Report]] = lambda ids: {
            native_id: report(native_id, JobState.ACTIVE) for native_id in ids
        }
        self.detail: Callable[[list[str]], Mapping[str, Report]] = lambda ids: {}

    def poll(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        ids = [job.native_id for job in jobs]
        self.polls.append(ids)
        self.times.append(time.monotonic())
        return self.answer(ids)

    def details(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        ids = [job.native_id for job in jobs]
        self.detailed.append(ids)
        return self.detail(ids)

    def withdraw(self, jobs: Sequence[Tracked]) -> None:
        self.withdrawn.append([job.native_id for job in jobs])


def unreachable(ids: list[str]) -> Mapping[str, Report]:
    raise Unreachable("nobody answers")


class House:
    """A tracker, a source, and jobs for them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.source = FakeSource()
        self.trackers: list[Tracker] = []

    def tracker(self, pace: Pace = PACE, doorbell: Doorbell | None = None) -> Tracker:
        self.trackers.append(Tracker(self.source, pace, doorbell))
        return self.trackers[-1]

    def job(self, native_id: str, *, own: bool = True) -> Tracked:
        job = Job(JobSpec(executable="x"))
        followed = Followed(job, lambda: None, lambda *_: None)
        followed.publish(JobStatus(JobState.QUEUED), None)
        files = None
        if own:
            files = single(LocalHost(), self.directory / job.id)
            files.directory.mkdir()
        return Tracked(followed, native_id, files)

    def close(self) -> None:
        for tracker in self.trackers:
            tracker._post(lambda tracker=tracker: forget(tracker))  # type: ignore[misc]
            assert until(lambda tracker=tracker: not tracker._running, 20)  # type: ignore[misc]
            tracker._wake_reader.close()
            tracker._wake_writer.close()


def forget(tracker: Tracker) -> None:
    for job in [job for same in tracker._jobs.values() for job in same]:
        tracker._drop(job)


def job_of(tracked: Tracked) -> Job:
    return tracked.followed.job


def write(tracked: Tracked, name: str, text: str) -> None:
    assert tracked.files is not None
    tracked.files.host.write(tracked.files.path(name), text)


def finish(tracked: Tracked, code: int = 0) -> None:
    write(tracked, "events.1", f"{time.time() - 1} ACTIVE\n")
    write(tracked, "end.1", END.format(code, time.time()))


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def ended(tracked: Tracked, seconds: float = 10.0) -> JobStatus:
    assert until(lambda: job_of(tracked).status.final, seconds), f"still {job_of(tracked).status}"
    return job_of(tracked).status


@pytest.fixture
def bell() -> Iterator[Doorbell]:
    doorbell = Doorbell("127.0.0.1")
    yield doorbell
    doorbell._socket.close()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bell: Doorbell) -> Iterator[House]:
    monkeypatch.setattr("psij_like._engine.tracker._LINGER", 0.05)
    house = House(tmp_path)
    yield house
    house.close()


def ring(bell: Doorbell, directory: str) -> None:
    address, port, text = bell.of(directory)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), (address, port))


@pytest.fixture
def no_descriptor() -> Iterator[None]:
    """This process has none left."""
    _, hard = limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in taken:
            os.close(descriptor)


# ---- the doorbell and the job's own files


def test_a_ring_leads_to_a_look(house: House, bell: Doorbell) -> None:
    tracker, job = house.tracker(SLOW, bell), house.job("1")
    tracker.add(job)
    assert until(lambda: bool(tracker._jobs))
    finish(job, 3)
    assert not job_of(job).status.final
    ring(bell, job_of(job).id)
    status = ended(job)
    assert (status.state, status.exit_code) == (JobState.FAILED, 3)
    assert not house.source.polls


def test_news_that_a_file_system_shows_late_is_looked_for_again(house: House, bell: Doorbell) -> None:
    tracker, job = house.tracker(SLOW, bell), house.job("1")
    tracker.add(job)
    assert until(lambda: bool(tracker._jobs))
    ring(bell, job_of(job).id)
    time.sleep(0.15)
    finish(job)
    assert ended(job).state is JobState.COMPLETED
    assert not house.source.polls


def test_a_missed_ring_costs_time_only(house: House) -> None:
    tracker, job = house.tracker(), house.job("1")
    tracker.add(job)
    finish(job)
    house.source.answer = lambda ids: {"1": report("1", JobState.COMPLETED)}
    assert ended(job).state is JobState.COMPLETED


def test_a_forged_ring_changes_nothing(house: House, bell: Doorbell) -> None:
    tracker, job = house.tracker(SLOW, bell), house.job("1")
    tracker.add(job)
    assert until(lambda: bool(tracker._jobs))
    for _ in range(100):
        ring(bell, job_of(job).id)
    assert until(lambda: job.rings > 10)
    time.sleep(0.05)
    assert job_of(job).status.state is JobState.QUEUED


def test_defect_07_a_hanging_query_delays_no_ring(house: House, bell: Doorbell) -> None:
    """Defect 7: one hung query stops nothing; other news still comes."""
    release = threading.Event()
    hung = threading.Event()

    def hang(ids: list[str]) -> Mapping[str, Report]:
        hung.set()
        release.wait(20)
        return {}

    house.source.answer = hang
    tracker, first, second = house.tracker(doorbell=bell), house.job("1"), house.job("2")
    tracker.add(first)
    assert hung.wait(5)
    tracker.add(second)
    finish(first)
    ring(bell, job_of(first).id)
    assert ended(first, 2).state is JobState.COMPLETED
    tracker.report([report("2", JobState.FAILED, reason=Reason.TIMEOUT)])
    assert ended(second, 2).reason is Reason.TIMEOUT
    assert len(house.source.polls) == 1
    release.set()


def test_unreadable_files_are_no_news_and_no_end(house: House, bell: Doorbell, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, job = house.tracker(SLOW, bell), house.job("1")
    tracker.add(job)
    assert until(lambda: bool(tracker._jobs))
    finish(job)
    with monkeypatch.context() as patch:
        patch.setattr(LocalHost, "names", lambda *_: (_ for _ in ()).throw(OSError("stale file handle")))
        ring(bell, job_of(job).id)
        time.sleep(0.1)
        assert not job_of(job).status.final
    ring(bell, job_of(job).id)
    assert ended(job).state is JobState.COMPLETED


# ---- queries


def test_E4_one_query_for_many_jobs(house: House) -> None:
    tracker = house.tracker(Pace(first=1.0, shortest=0.5, longest=0.5))
    jobs = [house.job(str(number), own=False) for number in range(200)]
    for job in jobs:
        tracker.add(job)
    assert until(lambda: all(job_of(job).status.state is JobState.ACTIVE for job in jobs))
    assert len(house.source.polls) <= 2
    assert sorted(house.source.polls[0], key=int) == [str(number) for number in range(200)]
    house.source.answer = lambda ids: {one: report(one, JobState.FAILED, reason=Reason.TIMEOUT) for one in ids}
    for job in jobs:
        ended(job)
    assert len(house.source.polls) <= 5


def test_nothing_is_asked_when_no_job_lives(house: House) -> None:
    tracker, job = house.tracker(), house.job("1", own=False)
    time.sleep(0.1)
    assert not house.source.polls
    tracker.add(job)
    assert until(lambda: len(house.source.polls) >= 3)
    house.source.answer = lambda ids: {"1": report("1", JobState.FAILED, reason=Reason.TIMEOUT)}
    ended(job)
    asked = len(house.source.polls)
    time.sleep(0.4)
    assert len(house.source.polls) == asked


def test_the_thread_ends_when_idle_and_starts_again(house: House) -> None:
    house.source.answer = lambda ids: {one: report(one, JobState.FAILED, reason=Reason.TIMEOUT) for one in ids}
    tracker = house.tracker()
    assert not tracker._running
    others = set(threading.enumerate())
    for native_id in ("1", "2"):
        job = house.job(native_id, own=False)
        tracker.add(job)
        assert tracker._running
        ended(job)
        assert until(lambda: not tracker._running, 20)
        assert until(lambda: not {"psij-like tracker"} & {one.name for one in {*threading.enumerate()} - others}, 20)


def test_defect_03_an_outage_changes_nothing_and_is_asked_about_ever_less(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Defect 3: a scheduler that can not be reached makes no job FAILED, however long it lasts."""
    pace = Pace(first=0.01, shortest=0.01, longest=0.4, patience=Patience(0.05, 0.05))
    tracker, job = house.tracker(pace), house.job("1", own=False)
    house.source.answer = unreachable
    with caplog.at_level(logging.WARNING):
        tracker.add(job)
        time.sleep(1.2)
        assert job_of(job).status.state is JobState.QUEUED
        gaps = [later - earlier for earlier, later in itertools.pairwise(house.source.times)]
        assert 4 < len(gaps) < 25
        assert gaps[-1] > 0.1
        house.source.answer = lambda ids: {"1": report("1", JobState.FAILED, reason=Reason.TIMEOUT)}
        assert ended(job).reason is Reason.TIMEOUT
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2  # one warning for all of it, and one word that it is over
    assert "presumed alive" in said[0]


def test_defect_03_an_outage_is_no_part_of_the_patience(house: House) -> None:
    """A job that was missing once before an outage, and is missing once after it, has not been missing in between."""
    tracker, job = house.tracker(), house.job("1", own=False)
    house.source.answer = lambda ids: {}
    tracker.add(job)
    assert until(lambda: bool(house.source.detailed))
    house.source.answer = unreachable
    time.sleep(1.0)  # longer than Patience.lost
    asked = len(house.source.polls)
    house.source.answer = lambda ids: {}
    assert until(lambda: len(house.source.polls) > asked + 2)
    assert job_of(job).status.state is JobState.QUEUED
    assert ended(job).reason is Reason.LOST


def test_an_outage_of_accounting_alone_is_not_asked_about_without_pause(house: House) -> None:
    tracker, job = house.tracker(), house.job("1", own=False)
    house.source.answer = lambda ids: {}
    house.source.detail = unreachable
    tracker.add(job)
    time.sleep(0.6)
    assert len(house.source.detailed) < 30
    assert job_of(job).status.state is JobState.QUEUED
    house.source.detail = lambda ids: {"1": report("1", JobState.COMPLETED, reason=Reason.EXIT, exit_code=0)}
    assert ended(job).state is JobState.COMPLETED


def test_defect_01_a_job_that_is_missing_once_is_not_lost(house: House) -> None:
    missing = [False, True, False, False]

    def answer(ids: list[str]) -> Mapping[str, Report]:
        gone = missing.pop(0) if missing else False
        return {} if gone else {"1": report("1", JobState.ACTIVE)}

    house.source.answer = answer
    tracker, job = house.tracker(), house.job("1", own=False)
    tracker.add(job)
    time.sleep(1.0)  # longer than Patience.lost
    assert not missing
    assert job_of(job).status.state is JobState.ACTIVE


def test_defect_01_a_job_that_stays_missing_is_lost_and_never_completed(house: House) -> None:
    house.source.answer = lambda ids: {}
    tracker, job = house.tracker(), house.job("1")
    started = time.monotonic()
    tracker.add(job)
    status = ended(job)
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)
    assert time.monotonic() - started >= PACE.patience.lost
    assert house.source.detailed


def test_a_job_that_waits_in_vain_is_withdrawn_once_a_poll(house: House) -> None:
    tracker = house.tracker()
    job = house.job("7")
    house.source.answer = lambda ids: {"7": report("7", JobState.QUEUED, reason=Reason.DEPENDENCY_FAILED)}
    tracker.add(job)
    assert until(lambda: len(house.source.withdrawn) >= 3)
    assert set(map(tuple, house.source.withdrawn)) == {("7",)}
    assert len(house.source.withdrawn) <= len(house.source.polls)
    assert job_of(job).status.reason == Reason.DEPENDENCY_FAILED
    house.source.answer = lambda ids: {"7": report("7", JobState.CANCELED)}
    assert (ended(job).state, ended(job).reason) == (JobState.FAILED, Reason.DEPENDENCY_FAILED)


def test_details_are_asked_at_the_end_only(house: House) -> None:
    tracker, job = house.tracker(), house.job("1", own=False)
    tracker.add(job)
    assert until(lambda: len(house.source.polls) > 3)
    assert not house.source.detailed
    house.source.answer = lambda ids: {"1": report("1", JobState.FAILED)}
    house.source.detail = lambda ids: {"1": report("1", JobState.FAILED, reason=Reason.EXIT, exit_code=7)}
    assert ended(job).exit_code == 7
    assert house.source.detailed == [["1"]]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError(1), RuntimeError()])
def test_a_bug_in_a_source_is_logged_and_like_an_outage(
    house: House, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(ids: list[str]) -> Mapping[str, Report]:
        raise error

    house.source.answer = fail
    tracker, job = house.tracker(), house.job("1", own=False)
    tracker.add(job)
    assert until(lambda: len(house.source.polls) > 2)
    assert job_of(job).status.state is JobState.QUEUED
    house.source.answer = lambda ids: {"1": report("1", JobState.FAILED, reason=Reason.TIMEOUT)}
    ended(job)
    assert "presumed alive" in caplog.text


# ---- several jobs


def test_defect_12_A2_two_jobs_for_one_native_id_both_get_news(house: House) -> None:
    tracker, first, second = house.tracker(), house.job("1", own=False), house.job("1", own=False)
    tracker.add(first)
    tracker.add(second)
    assert until(lambda: all(job_of(job).status.state is JobState.ACTIVE for job in (first, second)))
    house.source.answer = lambda ids: {"1": report("1", JobState.FAILED, reason=Reason.TIMEOUT)}
    assert ended(first).reason is Reason.TIMEOUT
    assert ended(second).reason is Reason.TIMEOUT


def test_the_end_of_one_job_does_not_end_the_news_of_the_other(house: House, bell: Doorbell) -> None:
    tracker, mine, attached = house.tracker(doorbell=bell), house.job("1"), house.job("1", own=False)
    tracker.add(mine)
    tracker.add(attached)
    assert until(lambda: job_of(attached).status.state is JobState.ACTIVE)
    finish(mine)
    ring(bell, job_of(mine).id)
    ended(mine)
    assert not job_of(attached).status.final
    house.source.answer = lambda ids: {"1": report("1", JobState.COMPLETED, reason=Reason.EXIT, exit_code=0)}
    assert ended(attached).state is JobState.COMPLETED


def test_reports_that_come_before_the_job_are_kept(house: House) -> None:
    tracker, job = house.tracker(SLOW), house.job("1", own=False)
    tracker.report([report("1", JobState.FAILED, reason=Reason.TIMEOUT), report("2", JobState.ACTIVE)])
    assert until(lambda: "1" in tracker._early)
    tracker.add(job)
    assert ended(job).reason is Reason.TIMEOUT


def test_early_reports_do_not_pile_up(house: House) -> None:
    tracker = house.tracker(SLOW)
    tracker.report([report(str(number), JobState.ACTIVE) for number in range(10_500)])
    assert until(lambda: len(tracker._early) == 10_000)
    assert "499" not in tracker._early
    assert "10499" in tracker._early


def test_a_job_whose_end_is_remembered_is_not_followed(house: House) -> None:
    tracker, job = house.tracker(), house.job("1", own=False)
    attached = Tracked(job.followed, "1", recall=lambda _: JobStatus(JobState.FAILED, 1.0, "m", 3))
    tracker.add(attached)
    assert ended(attached).exit_code == 3
    time.sleep(0.1)
    assert not house.source.polls


def test_an_attached_job_is_alive_while_what_is_remembered_can_not_be_read(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    tracker, job, trouble = house.tracker(), house.job("1", own=False), [True]

    def recall(_: Tracked) -> JobStatus:
        if trouble:
            raise PermissionError("not now")
        return JobStatus(JobState.FAILED, 1.0, "m", 3)

    house.source.answer = lambda ids: {}
    attached = Tracked(job.followed, "1", recall=recall)
    tracker.add(attached)
    polled = house.source.times
    assert until(lambda: len(polled) > 1 and polled[-1] - polled[0] > 2 * PACE.patience.lost)
    assert not attached.followed.job.status.final
    trouble.clear()
    assert ended(attached, 10).exit_code == 3
    assert len([line for line in caplog.messages if "not now" in line]) == 1


def test_a_bug_about_one_job_harms_no_other(house: House, bell: Doorbell, caplog: pytest.LogCaptureFixture) -> None:
    tracker = house.tracker(doorbell=bell)

    def fail(*_: object) -> Any:
        raise ValueError("a bug")

    bad, good = house.job("1"), house.job("2")
    recalled = Tracked(house.job("3", own=False).followed, "3", recall=fail)
    bad.followed._remember = fail
    for job in (recalled, bad, good):
        tracker.add(job)
    finish(bad)
    ring(bell, job_of(bad).id)
    assert ended(bad, 3).state is JobState.COMPLETED  # its end could not be remembered, but it is told
    finish(good)
    ring(bell, job_of(good).id)
    assert ended(good, 3).state is JobState.COMPLETED
    assert "a bug" in caplog.text


def test_a_bug_in_a_later_look_does_not_end_the_thread(
    house: House, bell: Doorbell, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, bad, good = house.tracker(SLOW, bell), house.job("1"), house.job("2")
    tracker.add(bad)
    tracker.add(good)
    assert until(lambda: len(tracker._jobs) == 2)
    usual = JobFiles.record

    def record(files: JobFiles) -> Any:
        if bad.files == files:
            raise ValueError("a bug")
        return usual(files)

    bad.rings = 1
    bad.look_due = None
    tracker._post(lambda: tracker._look_later(bad))
    monkeypatch.setattr(JobFiles, "record", record)
    assert until(lambda: "a bug" in caplog.text, 20)
    finish(good)
    ring(bell, job_of(good).id)
    assert ended(good, 3).state is JobState.COMPLETED


def test_cancelled_and_gone(house: House) -> None:
    tracker, job = house.tracker(), house.job("1")
    tracker.add(job)
    assert until(lambda: bool(house.source.polls))
    house.source.answer = lambda ids: {}
    tracker.cancelling(job_of(job), delivered=None)
    tracker.cancelling(job_of(job), delivered=True)
    status = ended(job)
    assert (status.state, status.reason) == (JobState.CANCELED, Reason.CANCELLED)


def test_shared_trackers(house: House) -> None:
    key = ("a test", object())
    one = shared_tracker(key, house.tracker)
    assert shared_tracker(key, house.tracker) is one
    assert shared_tracker(("another test", object()), house.tracker) is not one


FORK = """
import os, sys, time
sys.path.insert(0, {unit!r})
from pathlib import Path
from test_tracker import House, PACE, ended, job_of, report, until
from psij_like._engine.tracker import shared_tracker
from psij_like.job_state import JobState
from psij_like.job_status import Reason

house = House(Path({directory!r}))
tracker = shared_tracker("key", house.tracker)
mine = house.job("1", own=False)
tracker.add(mine)
assert until(lambda: job_of(mine).status.state is JobState.ACTIVE)
child = os.fork()
if child == 0:
    code = 1
    try:
        other = House(Path({directory!r}))
        again = shared_tracker("key", other.tracker)
        assert again is not tracker
        other.source.answer = lambda ids: {{"2": report("2", JobState.FAILED, reason=Reason.TIMEOUT)}}
        theirs = other.job("2", own=False)
        heard = []
        job_of(theirs).set_job_status_callback(lambda job, status: heard.append(status.state))
        again.add(theirs)
        assert ended(theirs).reason is Reason.TIMEOUT
        assert until(lambda: heard[-1:] == [JobState.FAILED])
        code = 0
    finally:
        os._exit(code)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert not job_of(mine).status.final
house.source.answer = lambda ids: {{"1": report("1", JobState.FAILED, reason=Reason.TIMEOUT)}}
ended(mine)
print("good")
"""


def test_after_a_fork_the_child_starts_afresh(tmp_path: Path) -> None:
    script = FORK.format(unit=str(Path(__file__).parent), directory=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert (done.stdout, done.returncode) == ("good\n", 0), done.stderr


LOCKED = """
import os, threading
from datetime import timedelta
from psij_like import Job, JobSpec
import psij_like.job as module

held, release = threading.Event(), threading.Event()

def hold():
    with module._lock:
        held.set()
        release.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    Job(JobSpec(executable="x")).wait(timedelta())
    os._exit(0)
release.set()
thread.join()
import time
end = time.monotonic() + 5
while time.monotonic() < end:
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid:
        print("good")
        break
    time.sleep(0.01)
else:
    os.kill(child, 9)
    os.waitpid(child, 0)
"""


def test_a_fork_in_the_middle_of_a_status_change_leaves_no_lock_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", LOCKED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "good\n", done.stderr


def test_it_takes_no_descriptor(house: House, request: pytest.FixtureRequest) -> None:
    tracker, job = house.tracker(), house.job("1", own=False)
    house.source.answer = lambda ids: {"1": report("1", JobState.COMPLETED, exit_code=0)}
    request.getfixturevalue("no_descriptor")
    tracker.add(job)
    assert ended(job).state is JobState.COMPLETED
