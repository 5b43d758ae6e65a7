"""News of Flux jobs, and requests about them: by the bindings and the journal where there are any, else by commands."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psij_like._engine.backend import Command
from psij_like._engine.batch_source import BatchSource
from psij_like._engine.evidence import Report
from psij_like._engine.host import CommandUnknown, Result
from psij_like._engine.tracked import Tracked
from psij_like.executors._flux import bindings
from psij_like.executors._flux.bindings import Gone, Handle
from psij_like.executors._flux.connection import Connection
from psij_like.executors._flux.requests import Request

_connections: dict[str | None, Connection] = {}
_left_behind: list[object] = []  # a forked child must not close what its parent uses


@dataclass
class FluxSource(BatchSource):
    """See `BatchSource`."""

    def connection(self) -> Connection | None:
        """The connection to the instance, one for all executors; None without the bindings."""
        if not bindings.available():
            return None
        uri = self.cluster.get("FLUX_URI")
        return _connections.setdefault(uri, Connection(uri, self.backend.user.id))

    def run(self, command: Command, output: Path | None = None) -> Result:
        """See `BatchSource.run`. Where the bindings can do what the command does, they give its result."""
        requests = self._requests(command.argv)
        connection = self.connection() if requests else None
        if connection is None:
            return super().run(command, output)
        answers, problems = [], []
        for request in requests:
            try:
                answers.append(connection.ask(request, self.timeout))
            except Gone as error:
                raise CommandUnknown(str(error)) from error
            except OSError as error:
                problems.append(error.strerror or str(error))
        result = Result(command.argv, 1 if problems else 0, _lines(answers), _lines(problems))
        if output is not None:
            self.host.write(output, result.stdout)
        return result

    def _requests(self, argv: Sequence[str]) -> list[Request]:
        """What the bindings are to be asked in place of a command; nothing if they can not do it."""
        match list(argv):
            case ["flux", "job", "submit", urgency, path]:
                text = self.host.read(Path(path)) or ""
                number = int(urgency.partition("=")[2])
                return [Request(lambda handle: handle.submit(text, number), Handle.submitted)]
            case ["flux", "job", "raise", "--severity=0", "--type=cancel", *native_ids]:
                return [_cancel(native_id) for native_id in native_ids]
            case ["flux", "job", "urgency", native_id, word]:
                number = {"hold": 0, "default": 16}[word]
                return [Request(lambda handle: handle.set_urgency(native_id, number), Handle.done)]
        return []

    def poll(self, jobs: Sequence[Tracked]) -> Mapping[str, Report]:
        """See `Source.poll`. No command is run for jobs of which the journal tells."""
        connection = self.connection()
        if connection is None:
            return super().poll(jobs)
        journal = connection.journal()
        found = connection.known([job.native_id for job in jobs])
        others = [job for job in jobs if job.native_id not in found]
        if others:
            told = super().poll(others)
            connection.learn(journal, [told[job.native_id] for job in others if job.native_id in told])
            found.update(told)
        return found


def _cancel(native_id: str) -> Request:
    return Request(lambda handle: handle.cancel(native_id), Handle.done)


def _lines(texts: Sequence[str]) -> str:
    return "".join(f"{text}\n" for text in texts if text)


def _start_afresh() -> None:
    _left_behind.append(dict(_connections))
    _connections.clear()


os.register_at_fork(after_in_child=_start_afresh)
