"""The connection to a Flux instance: its thread, requests, the journal and its loss, on a handle that is played."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from psij_like._engine.backend import Command, User
from psij_like._engine.evidence import Report
from psij_like._engine.follow import Followed
from psij_like._engine.host import CommandUnknown, LocalHost, Result
from psij_like._engine.source import Unreachable
from psij_like._engine.tracked import Tracked
from psij_like.executors._flux import bindings, connection, source
from psij_like.executors._flux.backend import Flux
from psij_like.executors._flux.bindings import Gone
from psij_like.executors._flux.connection import Connection
from psij_like.executors._flux.requests import Request
from psij_like.executors._flux.source import FluxSource
from psij_like.job import Job
from psij_like.job_state import JobState

Call = Callable[[], object]


class Future:
    """Is fulfilled, on the thread that runs the reactor, by what a test says."""

    def __init__(self, handle: FakeHandle, answer: object) -> None:
        self._handle = handle
        self.answer = answer

    def then(self, call: Callable[[Future], None]) -> None:
        if self.answer is not None:
            self._handle.do(lambda: call(self))


class FakeHandle:
    """Does what `bindings.Handle` does, without Flux."""

    made: list[FakeHandle]
    allowed = True
    reachable = True

    def __init__(self, uri: str | None) -> None:
        if not self.reachable:
            raise OSError(errno.ENOENT, "Unable to connect to Flux: broker socket was not found")
        self.uri = uri
        self.thread = threading.current_thread()
        self.todo: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self.wake_reader, self.wake_writer = os.pipe()
        self.stopped = False
        self.submitted: list[tuple[str, int]] = []
        self.answers: Mapping[str, object] = {}
        self.tell: Callable[[object], None] = lambda _: None
        self.ended: Callable[[OSError], None] = lambda _: None
        self.made.append(self)

    def do(self, call: Call) -> None:
        self.todo.put(call)
        os.write(self.wake_writer, b"!")

    def watch(self, descriptor: int, call: Call) -> None:
        self.descriptor, self.call = descriptor, call

    def run(self) -> bool:
        assert threading.current_thread() is self.thread
        self.stopped = False
        while not self.stopped:
            ready, _, _ = select.select([self.descriptor, self.wake_reader], [], [])
            if self.descriptor in ready:
                self.call()
            if self.wake_reader in ready:
                os.read(self.wake_reader, 1)
                if self.todo.get()() is False:
                    return False
        return True

    def stop(self) -> None:
        self.stopped = True

    def read_journal(self, begun: Call, tell: Callable[[object], None], ended: Callable[[OSError], None]) -> None:
        self.tell, self.ended = tell, ended
        if self.allowed:
            self.do(begun)
        else:
            self.do(lambda: ended(OSError(errno.EPERM, "Request requires owner credentials")))
            self.do(begun)

    def end_journal(self) -> None:
        self.do(lambda: self.ended(OSError(errno.ENODATA, "No data available")))

    def submit(self, jobspec: str, urgency: int) -> Future:
        self.submitted.append((jobspec, urgency))
        return Future(self, self.answers.get(jobspec, f"f{len(self.submitted)}"))

    def submitted_id(self, future: Future) -> str:
        if isinstance(future.answer, Exception):
            raise future.answer
        return str(future.answer)

    def event(self, number: int, name: str, **context: object) -> None:
        message = {"id": number, "events": [{"timestamp": 1.0, "name": name, "context": context}]}
        self.do(lambda: self.tell(message))

    def close(self) -> None:
        for descriptor in (self.wake_reader, self.wake_writer):
            os.close(descriptor)


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeHandle]]:
    """The handles that were made."""
    made: list[FakeHandle] = []
    fake = type("Handle", (FakeHandle,), {"made": made})
    monkeypatch.setattr(connection, "Handle", fake)
    monkeypatch.setattr(connection, "_LINGER", 0.05)
    yield made
    until(lambda: not threads())
    for handle in made:
        handle.close()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "psij-like flux"]


def until(condition: Call) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Ear:
    def __init__(self) -> None:
        self.reports: list[Report] = []

    def __call__(self, reports: Sequence[Report]) -> None:
        self.reports.extend(reports)

    @property
    def states(self) -> list[JobState | None]:
        return [report.state for report in self.reports]


@contextlib.contextmanager
def followed(link: Connection, native_id: str) -> Iterator[Ear]:
    ear = Ear()
    link.follow(native_id, ear)
    try:
        yield ear
    finally:
        link.leave(native_id, ear)


def submission(jobspec: str) -> Request:
    return Request(lambda handle: handle.submit(jobspec, 16), lambda handle, future: handle.submitted_id(future))  # type: ignore[attr-defined]


def test_no_thread_while_nobody_needs_it(handles: list[FakeHandle]) -> None:
    link = Connection("local:///x", 1)
    assert not threads()
    with link.needed():
        assert link.journal() is not None
        assert len(threads()) == 1
    until(lambda: not threads())
    assert link.journal() is None
    assert link.ask(submission("a"), 20) == "f1"
    assert [handle.uri for handle in handles] == ["local:///x"] * 2


def test_news_goes_to_those_who_follow_the_job(handles: list[FakeHandle]) -> None:
    link = Connection(None, 1)
    with link.needed(), followed(link, "f2") as ear:
        handles[0].event(1, "start")
        handles[0].event(2, "start")
        handles[0].event(3, "start")
        until(lambda: ear.reports)
        assert ear.states == [JobState.ACTIVE]  # f2 is number 1
        with followed(link, "f3") as late:  # its events came before anybody asked
            until(lambda: late.reports)
        assert late.states == [JobState.ACTIVE]
        handles[0].event(1, "finish", status=0)
        handles[0].event(1, "clean")
        until(lambda: len(ear.reports) == 2)
        assert ear.states[-1] is JobState.COMPLETED
        assert link.known(["f2", "f9"]) == {"f2": ear.reports[-1]}


def test_two_who_follow_one_job(handles: list[FakeHandle]) -> None:
    link = Connection(None, 1)
    ear = Ear()
    with link.needed():
        link.follow("f2", ear)
        link.follow("f2", ear)
        link.leave("f2", ear)
        handles[0].event(1, "start")
        until(lambda: ear.reports)
        link.leave("f2", ear)
        link.leave("f2", ear)  # once more does no harm
        assert link.known(["f2"]) == {}


def test_many_requests_from_many_threads(handles: list[FakeHandle]) -> None:
    link = Connection(None, 1)
    answers: list[str] = []

    def ask() -> None:
        answers.extend(link.ask(submission("a"), 20) for _ in range(20))

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert sorted(answers) == sorted(f"f{number}" for number in range(1, 161))
    assert len(handles) == 1


def test_refusals_and_silence(handles: list[FakeHandle]) -> None:
    link = Connection(None, 1)
    with link.needed():
        handles[0].answers = {"bad": OSError(errno.EINVAL, "no"), "odd": ValueError("odd"), "slow": None}
        with pytest.raises(OSError, match="no"):
            link.ask(submission("bad"), 20)
        with pytest.raises(ValueError, match="odd"):
            link.ask(submission("odd"), 20)
        with pytest.raises(Gone, match="did not answer"):
            link.ask(submission("slow"), 0.01)
        assert link.ask(submission("fine"), 20) == "f4"


def test_an_instance_that_is_not_there(
    handles: list[FakeHandle], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(FakeHandle, "reachable", False)
    link = Connection(None, 1)
    for _ in range(3):
        with pytest.raises(OSError, match=r"Unable to connect to Flux: .*broker socket"):
            link.ask(submission("a"), 20)
    assert len(caplog.records) == 1
    monkeypatch.setattr(FakeHandle, "reachable", True)
    assert link.ask(submission("a"), 20) == "f1"


def test_a_journal_that_is_not_allowed(
    handles: list[FakeHandle], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(FakeHandle, "allowed", False)
    link = Connection(None, 1)
    for _ in range(2):
        with link.needed(), followed(link, "f2"):
            assert link.journal() is None
            assert link.ask(submission("a"), 20).startswith("f")
            link.learn(None, [])
        until(lambda: not threads())
    assert len(caplog.records) == 1
    assert "owner" in caplog.text


def test_an_instance_that_goes_and_comes_back(handles: list[FakeHandle], caplog: pytest.LogCaptureFixture) -> None:
    link = Connection(None, 1)

    def nobody_answers() -> None:
        with pytest.raises(Gone):
            link.ask(submission("slow"), 20)

    with followed(link, "f2") as ear:
        for number in range(3):
            until(lambda: link.journal() is not None)
            handles[number].answers = {"slow": None}
            asked = threading.Thread(target=nobody_answers)
            asked.start()
            until(lambda: handles[number].submitted)  # noqa: B023
            if number == 1:
                handles[number].do(lambda: handles[1].ended(OSError(errno.ENOSYS, "Function not implemented")))
            else:
                handles[number].do(lambda: False)
            asked.join()
            until(lambda: not threads())
            assert link.known(["f2"]) == {}
            link.learn(None, [])  # a poll has succeeded
        until(lambda: link.journal() is not None)
        handles[3].event(1, "start")
        until(lambda: ear.reports)
    assert len(caplog.records) == 3


# ---- the source


class Asked(LocalHost):
    """Answers status queries, and remembers them."""

    def __init__(self) -> None:
        self.argv: list[Sequence[str]] = []
        self.states = {1: "RUN", 2: "SCHED"}

    def run(self, argv: Sequence[str], **options: Any) -> Result:
        self.argv.append(argv)
        rows = [f"{number}|{state}||16||0.0|0.0|||\n" for number, state in self.states.items()]
        return Result(tuple(argv), 0, "".join(rows), "")


@pytest.fixture
def flux(handles: list[FakeHandle], monkeypatch: pytest.MonkeyPatch) -> Iterator[FluxSource]:
    monkeypatch.setattr(bindings, "available", lambda: True)
    monkeypatch.setattr(source, "_connections", {})
    yield FluxSource(Flux(User(1, "user1")), Asked(), 20, {"FLUX_URI": "local:///x"})


def tracked(*native_ids: str) -> list[Tracked]:
    return [Tracked(Followed(Job(), lambda: None, lambda job, status: None), native_id) for native_id in native_ids]


def test_polls_ask_only_about_what_the_journal_does_not_know(flux: FluxSource, handles: list[FakeHandle]) -> None:
    host = flux.host
    assert isinstance(host, Asked)
    link = flux.connection()
    assert link is not None
    assert link is FluxSource(flux.backend, host, 20, {"FLUX_URI": "local:///x"}).connection()
    jobs = tracked("f2", "f3")
    with link.needed(), followed(link, "f2"), followed(link, "f3"):
        for _ in range(3):
            states = {native_id: report.state for native_id, report in flux.poll(jobs).items()}
            assert states == {"f2": JobState.ACTIVE, "f3": JobState.QUEUED}
        assert len(host.argv) == 1
        handles[0].event(2, "start")
        until(lambda: flux.poll(jobs)["f3"].state is JobState.ACTIVE)
        assert len(host.argv) == 1
        flux.poll(tracked("f2", "f4"))
        assert len(host.argv) == 2


def test_without_a_journal_every_poll_asks(
    flux: FluxSource, monkeypatch: pytest.MonkeyPatch, handles: list[FakeHandle]
) -> None:
    host = flux.host
    assert isinstance(host, Asked)
    for _ in range(2):
        flux.poll(tracked("f2"))
    monkeypatch.setattr(bindings, "available", lambda: False)
    flux.poll(tracked("f2"))
    assert len(host.argv) == 3
    monkeypatch.setattr(host, "run", lambda *_, **__: Result(("flux",), 1, "", "flux-jobs: ERROR"))
    with pytest.raises(Unreachable):
        flux.poll(tracked("f2"))


def test_the_bindings_stand_in_for_commands(
    flux: FluxSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, handles: list[FakeHandle]
) -> None:
    monkeypatch.setattr(bindings.Handle, "submitted", FakeHandle.submitted_id)
    (tmp_path / "jobspec.json").write_text("{}")
    command = Command(("flux", "job", "submit", "--urgency=7", str(tmp_path / "jobspec.json")))
    output = tmp_path / "out"
    link = flux.connection()
    assert link is not None
    with link.needed():
        handles[0].submitted = []
        result = flux.run(command, output)
        assert (result.exit_code, result.stdout, output.read_text()) == (0, "f1\n", "f1\n")
        assert handles[0].submitted == [("{}", 7)]
        handles[0].answers = {"{}": OSError(errno.EINVAL, "'x' is not a valid queue")}
        result = flux.run(command, output)
        assert (result.exit_code, result.stderr, output.read_text()) == (1, "'x' is not a valid queue\n", "")
        handles[0].answers = {"{}": Gone("it broke")}
        with pytest.raises(CommandUnknown, match="it broke"):
            flux.run(command, output)
    assert isinstance(flux.host, Asked)
    assert flux.host.argv == []
    flux.run(Command(("flux", "jobs", "-a")))
    assert flux.host.argv == [("flux", "jobs", "-a")]
