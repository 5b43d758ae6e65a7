"""Clients that submit a job, or some at once, and do nothing then: forked from a process that has all imports done.

`python -m reliability.clients`: executor's name and configuration, pickled, and then orders, one JSON array a line:
for each job its number, command and arguments. The answer is the client's process id, once it is about to submit. An
empty line asks for the end of that client, and whether `submit` had returned.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import IO

import pystache  # noqa: F401 - so that no client has to

from psij_like import Job, JobExecutor, JobExecutorConfig, JobSpec


class Clients:
    """The test's end of it."""

    def __init__(self, executor: str, config: JobExecutorConfig) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reliability.clients"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        pickle.dump((executor, config), self._stdin)
        self._stdin.flush()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _ask(self, text: str) -> float:
        assert self._process.stdout is not None
        self._stdin.write(text.encode() + b"\n")
        self._stdin.flush()
        return float(self._process.stdout.readline())

    def start(self, jobs: Mapping[int, Sequence[str]]) -> int:
        """Start a client that submits those commands, by their numbers; its process id."""
        return int(self._ask(json.dumps([[number, *command] for number, command in jobs.items()])))

    def finished(self) -> float | None:
        """How long its `submit` took; None if it had not returned when the client was killed."""
        seconds = self._ask("")
        return None if seconds < 0 else seconds

    def close(self) -> None:
        """No more clients."""
        with self._process:
            self._stdin.close()


def _submit(name: str, config: JobExecutorConfig, orders: list[list[str]], writer: int) -> None:
    executor = JobExecutor.get_instance(name, config=config)
    jobs = [
        Job(JobSpec(executable, arguments, "/", str(number), cleanup={"/none/such"}))
        for number, executable, *arguments in orders
    ]
    begun = time.monotonic()
    os.write(writer, b"!")
    if len(jobs) == 1:
        executor.submit(jobs[0])
    else:
        executor.submit_bulk(jobs)
    os.write(writer, b"%.6f" % (time.monotonic() - begun))
    while True:
        time.sleep(60)


def main() -> None:
    """Be the process that forks."""
    name, config = pickle.load(sys.stdin.buffer)
    JobExecutor.get_instance(name, config=config)
    client, reader = 0, 0
    for line in sys.stdin.buffer:
        if line.strip():
            reader, writer = os.pipe()
            client = os.fork()
            if client == 0:
                _submit(name, config, json.loads(line), writer)
            os.close(writer)
            os.read(reader, 1)
            print(client, flush=True)
        else:
            os.waitpid(client, 0)
            os.set_blocking(reader, False)
            try:  # what its commands still hold open is no end of file
                print(float(os.read(reader, 100) or -1), flush=True)
            except BlockingIOError:
                print(-1, flush=True)
            os.close(reader)


if __name__ == "__main__":
    main()
