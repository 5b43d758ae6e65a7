"""Callbacks: in order for each job, and whatever one of them does, the others are called (B1, B2)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from psij_like._engine.dispatch import Dispatcher
from psij_like.job import Job, JobStatusCallback
from psij_like.job_spec import JobSpec
from psij_like.job_state import JobState
from psij_like.job_status import JobStatus

NEWS = [JobStatus(state) for state in (JobState.QUEUED, JobState.ACTIVE, JobState.COMPLETED)]


def job() -> Job:
    return Job(JobSpec(executable="x"))


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


@pytest.fixture
def dispatcher(monkeypatch: pytest.MonkeyPatch) -> Dispatcher:
    monkeypatch.setattr("psij_like._engine.dispatch._IDLE", 0.2)
    made = Dispatcher()
    made._registered = True  # nothing to drain when the interpreter exits
    return made


def serving_threads() -> int:
    return sum(thread.name == "psij-like callbacks" for thread in threading.enumerate())


def test_B1_every_listener_hears_every_status_once_and_in_order(dispatcher: Dispatcher) -> None:
    heard: list[tuple[str, str, JobState]] = []

    class Listener(JobStatusCallback):
        def job_status_changed(self, job: Job, status: JobStatus) -> None:
            heard.append(("object", job.id, status.state))

    jobs = [job() for _ in range(50)]

    def function(job: Job, status: JobStatus) -> None:
        heard.append(("function", job.id, status.state))

    for status in NEWS:
        for one in jobs:
            dispatcher.put(one, [status], [Listener(), None, function])
    assert until(lambda: len(heard) == 50 * 3 * 2)
    for one in jobs:
        for kind in ("object", "function"):
            assert [state for what, whose, state in heard if (what, whose) == (kind, one.id)] == [
                status.state for status in NEWS
            ]
        both = [what for what, whose, _ in heard if whose == one.id]
        assert both == ["object", "function"] * 3


def test_nobody_listens(dispatcher: Dispatcher) -> None:
    before = serving_threads()
    dispatcher.put(job(), NEWS, [None, None])
    assert not dispatcher._queues
    assert serving_threads() == before


def test_B2_a_callback_that_raises_harms_nobody(dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[JobState] = []

    def fail(job: Job, status: JobStatus) -> None:
        raise ValueError("my own bug")

    bad, good = job(), job()
    dispatcher.put(bad, NEWS, [fail, lambda _, status: heard.append(status.state)])
    dispatcher.put(good, NEWS, [lambda _, status: heard.append(status.state)])
    assert until(lambda: len(heard) == 6)
    assert caplog.text.count("ValueError: my own bug") == 3
    assert bad.id in caplog.text


def test_B2_slow_callbacks_do_not_delay_other_jobs(dispatcher: Dispatcher) -> None:
    release = threading.Event()
    blocked: list[Job] = []
    heard: list[Job] = []

    def block(job: Job, status: JobStatus) -> None:
        blocked.append(job)
        release.wait(20)

    for _ in range(5):
        dispatcher.put(job(), NEWS[:1], [block])
    for _ in range(20):
        dispatcher.put(job(), NEWS[:1], [lambda job, _: heard.append(job)])
    assert until(lambda: len(heard) == 20 and len(blocked) == 5)
    late: list[float] = []
    for _ in range(5):
        started = time.monotonic()
        dispatcher.put(job(), NEWS[:1], [lambda _, __, started=started: late.append(time.monotonic() - started)])  # type: ignore[misc]
        time.sleep(0.05)
    assert until(lambda: len(late) == 5)
    assert sorted(late)[2] < 0.2
    release.set()


def test_B2_many_blocked_callbacks(dispatcher: Dispatcher) -> None:
    """Measured: 0.1 s behind a hundred of them; 2 s if each had the patience of the first."""
    release = threading.Event()
    heard = threading.Event()
    for _ in range(100):
        dispatcher.put(job(), NEWS[:1], [lambda *_: release.wait(20)])
    started = time.monotonic()
    dispatcher.put(job(), NEWS[:1], [lambda *_: heard.set()])
    assert heard.wait(10)
    assert time.monotonic() - started < 1.5
    release.set()


def test_who_sees_an_end_can_wait_for_its_callbacks(dispatcher: Dispatcher) -> None:
    for _ in range(200):
        one, heard, seen = job(), list[JobState](), list[int]()

        def client(one: Job = one, heard: list[JobState] = heard, seen: list[int] = seen) -> None:
            one.wait()
            dispatcher.drain()
            seen.append(len(heard))

        thread = threading.Thread(target=client)
        thread.start()
        dispatcher.put(one, NEWS, [lambda _, status, heard=heard: heard.append(status.state)])  # type: ignore[misc]
        thread.join()
        assert seen == [3]


def test_B2_a_callback_may_wait_for_other_jobs(dispatcher: Dispatcher) -> None:
    """Ten callbacks, each of which waits for the callback of the next job."""
    events = [threading.Event() for _ in range(11)]
    in_time: list[bool] = []

    def wait_for(number: int) -> Callable[[Job, JobStatus], None]:
        def wait(job: Job, status: JobStatus) -> None:
            in_time.append(events[number + 1].wait(10))
            events[number].set()

        return wait

    for number in range(10):
        dispatcher.put(job(), NEWS[:1], [wait_for(number)])
    dispatcher.put(job(), NEWS[:1], [lambda *_: events[10].set()])
    assert events[0].wait(10)
    assert in_time == [True] * 10


def test_one_thread_is_enough_for_quick_callbacks_and_it_ends(dispatcher: Dispatcher) -> None:
    assert until(lambda: serving_threads() == 0, 10)
    heard: list[Any] = []
    most = 0
    for _ in range(500):
        dispatcher.put(job(), NEWS, [lambda *news: heard.append(news)])
        most = max(most, serving_threads())
    assert until(lambda: len(heard) == 1500)
    assert most <= 3
    assert until(lambda: serving_threads() == 0, 20)
    dispatcher.put(job(), NEWS, [lambda *news: heard.append(news)])
    assert until(lambda: len(heard) == 1503)


def test_the_order_of_a_job_holds_when_its_callback_is_slow(dispatcher: Dispatcher) -> None:
    heard: list[JobState] = []
    others: list[Job] = []
    one = job()

    def slow(_: Job, status: JobStatus) -> None:
        time.sleep(0.03)
        heard.append(status.state)

    for status in NEWS:
        dispatcher.put(one, [status], [slow])
        dispatcher.put(job(), NEWS[:1], [lambda job, _: others.append(job)])
    assert until(lambda: len(heard) == 3 and len(others) == 3)
    assert heard == [status.state for status in NEWS]


def test_drain_waits_for_what_is_due_but_not_for_ever(dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[JobState] = []

    def slow(_: Job, status: JobStatus) -> None:
        time.sleep(0.05)
        heard.append(status.state)

    dispatcher.put(job(), NEWS, [slow])
    dispatcher.drain()
    assert len(heard) == 3
    monkeypatch.setattr("psij_like._engine.dispatch._DRAIN", 0.1)
    release = threading.Event()
    dispatcher.put(job(), NEWS[:1], [lambda *_: release.wait(10)])
    started = time.monotonic()
    dispatcher.drain()
    assert 0.09 < time.monotonic() - started < 5
    release.set()


def test_news_during_a_drain_finds_an_idle_thread(dispatcher: Dispatcher) -> None:
    """Whoever drains waits on the same condition as the idle threads, and must not take their wake-up call."""
    first, second = threading.Event(), threading.Event()
    heard: list[Job] = []
    dispatcher.put(job(), NEWS[:1], [lambda *_: first.wait(20)])
    dispatcher.put(job(), NEWS[:1], [lambda *_: second.wait(20)])
    assert until(lambda: len(dispatcher._serving) == 2)
    drainer = threading.Thread(target=dispatcher.drain)
    drainer.start()
    time.sleep(0.05)
    second.set()  # this thread becomes idle, after the drainer has begun to wait
    assert until(lambda: dispatcher._idle == 1)
    time.sleep(0.02)
    dispatcher.put(job(), NEWS[:1], [lambda job, _: heard.append(job)])
    assert until(lambda: len(heard) == 1, 0.15)
    first.set()
    drainer.join()


EXIT = """
import time
from psij_like import Job, JobSpec, JobState, JobStatus
from psij_like._engine.dispatch import dispatcher
def say(job, status):
    time.sleep(0.1)
    print(status.state, flush=True)
dispatcher().put(Job(JobSpec(executable="x")), [JobStatus(JobState.QUEUED), JobStatus(JobState.ACTIVE)], [say])
"""

FORK = """
import os, threading, time
from psij_like import Job, JobSpec, JobState, JobStatus
from psij_like._engine import dispatch

held, release = threading.Event(), threading.Event()
def block(job, status):
    held.set()
    release.wait()
dispatch.dispatcher().put(Job(JobSpec(executable="x")), [JobStatus(JobState.QUEUED)], [block])
held.wait()
parents = dispatch.dispatcher()
parents._changed.acquire()  # as another thread may have at the moment of the fork
child = os.fork()
if child == 0:
    heard = threading.Event()
    assert dispatch.dispatcher() is not parents
    dispatch.dispatcher().put(Job(JobSpec(executable="x")), [JobStatus(JobState.QUEUED)], [lambda *_: heard.set()])
    os._exit(0 if heard.wait(5) else 1)
parents._changed.release()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
release.set()
"""


@pytest.mark.parametrize(("script", "expected"), [(EXIT, "QUEUED\nACTIVE\n"), (FORK, "0\n")], ids=["exit", "fork"])
def test_the_process_exits_or_forks(script: str, expected: str) -> None:
    """At exit what is due is still told; a forked child has a dispatcher of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )
    assert (done.stdout, done.stderr) == (expected, "")
