"""A door for programs in other languages: JSON-RPC 2.0 over a pair of streams, one message a line.

Its methods are those of `JobExecutor`; `spec/schemas/rpc.schema.json` defines the messages. Every change of a job that
was submitted, attached or recovered here is told by a notification `status`, after the answer that gave the job's id.
Requests are worked on side by side: who wants one done before the next waits for its answer. At the end of the input
the requests that came are still answered; the jobs go on.

Errors have the numbers of JSON-RPC 2.0 and these:

    -32001  the job is wrong: submitting it again can not help (InvalidJobException)
    -32002  the request could not be delivered; `data.transient`: whether trying again may help (SubmitException)
    -32003  nobody knows whether the job was submitted (SubmissionUnknownException)
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO, TypeAlias

from jsonrpc.exceptions import (
    JSONRPCDispatchException,
    JSONRPCInvalidParams,
    JSONRPCInvalidRequest,
    JSONRPCInvalidRequestException,
    JSONRPCParseError,
)
from jsonrpc.jsonrpc2 import JSONRPC20Request, JSONRPC20Response
from jsonrpc.manager import JSONRPCResponseManager

from psij_like.exceptions import (
    BulkSubmitException,
    InvalidJobException,
    SubmissionUnknownException,
    SubmitException,
)
from psij_like.job import Job
from psij_like.job_executor import JobExecutor, JobExecutorConfig, Target, ask_each
from psij_like.job_status import JobStatus
from psij_like.serialize import spec_from_dict, status_to_dict

_log = logging.getLogger(__name__)

INVALID_JOB, NOT_DELIVERED, UNKNOWN_OUTCOME = -32001, -32002, -32003
_CODES = {
    InvalidJobException: INVALID_JOB,
    SubmissionUnknownException: UNKNOWN_OUTCOME,
    SubmitException: NOT_DELIVERED,
}
_AT_ONCE = 8  # requests that are worked on at once

Texts: TypeAlias = list[str]
Items: TypeAlias = list[Any]
Answers: TypeAlias = list[dict[str, object]]
Targets: TypeAlias = list[Target]


def serve(requests: Iterable[bytes], answers: TextIO, config: JobExecutorConfig | None = None) -> None:
    """Answer the requests, a line each, until there are no more.

    Args:
        requests: lines of UTF-8, such as those of `sys.stdin.buffer`.
        answers: what answers and notifications are written to.
        config: for the executors; the defaults of each if None.
    """
    turn = threading.Lock()

    def send(message: object) -> None:
        with turn, contextlib.suppress(BrokenPipeError):  # who asked has gone; the jobs go on
            answers.write(json.dumps(message) + "\n")
            answers.flush()

    door = _Door(send, config)

    def answer(line: bytes) -> None:
        try:
            with door.answering():
                response = _response(line, door.methods)
                if response is not None:
                    send(response.data)
        except Exception:
            _log.exception("a request could not be answered: %.200r", line)

    with ThreadPoolExecutor(_AT_ONCE, "psij-like rpc") as workers:
        for line in requests:
            if line.strip():
                workers.submit(answer, line)


def _response(line: bytes, methods: dict[str, Callable[..., object]]) -> Any:
    try:
        request = JSONRPC20Request.from_data(json.loads(line.decode()))
    except (ValueError, RecursionError):
        return JSONRPC20Response(error=JSONRPCParseError()._data)
    except JSONRPCInvalidRequestException:
        return JSONRPC20Response(error=JSONRPCInvalidRequest()._data)
    return JSONRPCResponseManager.handle_request(request, methods)


class _Door:
    """The methods, and the jobs that are followed for who calls them."""

    def __init__(self, send: Callable[[object], None], config: JobExecutorConfig | None) -> None:
        self._send = send
        self._config = config
        self._executors: dict[tuple[str, str | None], JobExecutor] = {}
        self._jobs: dict[str, Job] = {}  # that have not ended, by id
        self._held_back: dict[str, Items] = {}  # news of jobs whose ids were not told yet
        self._lock = threading.RLock()
        self._here = threading.local()
        methods = (
            *(self.executors, self.capabilities, self.submit, self.submit_bulk, self.cancel, self.hold, self.release),
            *(self.status, self.info, self.list, self.attach, self.recover),
        )
        self.methods: dict[str, Callable[..., object]] = {method.__name__: _checked(method) for method in methods}

    # ---- methods

    def executors(self) -> Texts:
        return sorted(JobExecutor.get_executor_names())

    def capabilities(self, executor: str, url: str | None = None) -> dict[str, object]:
        return self._executor(executor, url).capabilities.to_dict()

    def submit(self, executor: str, spec: dict[str, Any], url: str | None = None) -> dict[str, object]:
        job = self._new_job(spec_from_dict(spec))
        with self._refused([job]):
            self._executor(executor, url).submit(job)
        return _ids(job)

    def submit_bulk(self, executor: str, specs: Items, url: str | None = None) -> Answers:
        """The ids of each, or the error for which it was not submitted."""
        answers: list[dict[str, object] | Job] = []
        for spec in _of(list, "specs", specs):
            try:
                answers.append(self._new_job(spec_from_dict(spec)))
            except InvalidJobException as error:
                answers.append({"error": _error(error)})
        jobs = [job for job in answers if isinstance(job, Job)]
        failures: dict[Job, Exception] = {}
        try:
            with self._refused(jobs):
                self._executor(executor, url).submit_bulk(jobs)
        except BulkSubmitException as error:
            failures = error.failures
        return [
            answer
            if not isinstance(answer, Job)
            else {"error": _error(failures[answer]), "id": answer.id}
            if answer in failures
            else _ids(answer)
            for answer in answers
        ]

    def cancel(self, executor: str, jobs: Texts, url: str | None = None) -> None:
        self._executor(executor, url).cancel_bulk(self._meant(jobs))

    def hold(self, executor: str, jobs: Texts, url: str | None = None) -> None:
        ask_each(self._executor(executor, url).hold, self._meant(jobs))

    def release(self, executor: str, jobs: Texts, url: str | None = None) -> None:
        ask_each(self._executor(executor, url).release, self._meant(jobs))

    def status(self, executor: str, jobs: Texts, url: str | None = None) -> dict[str, object]:
        found = self._executor(executor, url).status(_texts(jobs))
        return {name: None if status is None else status_to_dict(status) for name, status in found.items()}

    def info(self, executor: str, job: str, url: str | None = None) -> dict[str, object]:
        return self._executor(executor, url).info(_of(str, "job", job)).to_dict()

    def list(self, executor: str, url: str | None = None) -> Texts:
        return self._executor(executor, url).list()

    def attach(self, executor: str, native_id: str, url: str | None = None) -> dict[str, object]:
        job = self._new_job(None)
        with self._refused([job]):
            self._executor(executor, url).attach(job, native_id)
        return _ids(job)

    def recover(self, executor: str, url: str | None = None) -> Answers:
        jobs = self._executor(executor, url).recover()
        for job in jobs:
            self._follow(job)
        return [_ids(job) for job in jobs]

    # ---- news

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Within it a request is answered: what is told of the jobs that it made comes later."""
        self._here.made = []
        yield
        with self._lock:
            for job in self._here.made:
                for news in self._held_back.pop(job.id, ()):
                    self._send(news)

    def _new_job(self, spec: Any) -> Job:
        job = Job(spec)
        self._follow(job)
        return job

    def _follow(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.id] = job
            self._held_back[job.id] = []
        self._here.made.append(job)
        job.set_job_status_callback(self._changed)
        if job.status.final:  # a recovered one may have ended before it was followed here
            self._changed(job, job.status)

    def _changed(self, job: Job, status: JobStatus) -> None:
        told = {"id": job.id, "native_id": job.native_id, "status": status_to_dict(status)}
        news = {"jsonrpc": "2.0", "method": "status", "params": told}
        with self._lock:
            if status.final:
                self._jobs.pop(job.id, None)
            if job.id in self._held_back:
                self._held_back[job.id].append(news)
            else:
                self._send(news)

    @contextlib.contextmanager
    def _refused(self, jobs: Iterable[Job]) -> Iterator[None]:
        """Within it jobs are handed over; those that were not are forgotten."""
        try:
            yield
        except Exception as error:
            failed = error.failures if isinstance(error, BulkSubmitException) else jobs
            with self._lock:
                for job in failed:
                    self._jobs.pop(job.id, None)
            raise

    # ---- parameters

    def _executor(self, name: str, url: str | None) -> JobExecutor:
        key = (_of(str, "executor", name), url if url is None else _of(str, "url", url))
        with self._lock:
            if key not in self._executors:
                try:
                    self._executors[key] = JobExecutor.get_instance(name, url=url, config=self._config)
                except (ValueError, TypeError) as error:
                    raise _invalid(str(error)) from error
            return self._executors[key]

    def _meant(self, jobs: Texts) -> Targets:
        return [self._jobs.get(text, text) for text in _texts(jobs)]


def _ids(job: Job) -> dict[str, object]:
    return {"id": job.id, "native_id": job.native_id}


def _of(kind: type, name: str, value: Any) -> Any:
    if not isinstance(value, kind):
        raise _invalid(f"{name}: {value!r} is not a {kind.__name__}")
    return value


def _texts(jobs: Any) -> list[str]:
    return [_of(str, "jobs", job) for job in _of(list, "jobs", jobs)]


def _invalid(message: str) -> JSONRPCDispatchException:
    return JSONRPCDispatchException(JSONRPCInvalidParams.CODE, message)


def _error(error: Exception) -> dict[str, object]:
    transient = isinstance(error, SubmitException) and error.transient
    kinds = {
        InvalidJobException: INVALID_JOB,
        SubmissionUnknownException: UNKNOWN_OUTCOME,
        SubmitException: NOT_DELIVERED,
    }
    code = next(code for kind, code in kinds.items() if isinstance(error, kind))
    return {"code": code, "message": str(error), "data": {"transient": transient}}


def _checked(method: Callable[..., object]) -> Callable[..., object]:
    """The method, with the errors of the protocol."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def call(*args: object, **named: object) -> object:
        try:
            signature.bind(*args, **named)
        except TypeError as error:
            raise _invalid(f"{method.__name__}: {error}") from error
        try:
            return method(*args, **named)
        except (InvalidJobException, SubmitException) as error:
            raise JSONRPCDispatchException(**_error(error)) from error

    return call
