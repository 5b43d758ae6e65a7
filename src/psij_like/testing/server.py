"""The daemon of a simulated cluster: `python -m psij_like.testing.server DIRECTORY`.

Its first line of standard input is what it is to be, as JSON; the end of its standard input is its own end, and that
of every job: whoever started it keeps that open for as long as he lives. It answers at DIRECTORY/socket.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from psij_like.testing.control import Control
from psij_like.testing.faults import Faults
from psij_like.testing.jobs import Job, Node
from psij_like.testing.kinds import personality_class
from psij_like.testing.model import Model
from psij_like.testing.personality import Answer, Call, Personality, StdinNeeded
from psij_like.testing.rules import Rules
from psij_like.testing.runner import Runner, adopt_orphans
from psij_like.testing.settings import Settings


class Server:
    """The daemon: what the stand-ins say goes to the personality, what the client says to `Control`.

    It is the `Machine` of its model, too.
    """

    def __init__(self, directory: Path, kind: type[Personality], settings: Settings) -> None:
        self._loop = asyncio.get_running_loop()
        rules = Rules(
            kind.kill,
            kind.dead_dependency_ends,
            settings.kill_wait,
            settings.start_delay,
            settings.walltime_scale,
            settings.walltime_check,
            settings.history,
            settings.requeue_delay,
            kind.kill_at_limit,
        )
        nodes = [Node(f"n{number}", settings.slots) for number in range(1, settings.nodes + 1)]
        self.model = Model(self, nodes, rules)
        self.personality = kind(self.model, settings, directory)
        self.model.ended = self.personality.ended
        self.model.never_ran = self.personality.never_ran
        (directory / "spool").mkdir()
        self.runner = Runner(directory / "spool", self.model.exited)
        self.faults = Faults(settings.seed)
        self.calls: list[tuple[float, list[str]]] = []
        self.over = asyncio.Event()
        self._commands = self.personality.commands()
        self._control = Control(self)
        self._directory = directory
        self._work: set[asyncio.Task[None]] = set()

    # ---- Machine

    def now(self) -> float:
        """See `Machine.now`."""
        return time.time()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """See `Machine.later`."""
        self._loop.call_later(max(0, seconds), act)

    def start(self, job: Job) -> None:
        """See `Machine.start`."""
        self.personality.starting(job)
        self.runner.start(job, self.personality)

    def send(self, job: Job, number: int) -> None:
        """See `Machine.send`."""
        self.runner.send(job, number)
        if number == signal.SIGKILL:
            self.later(0, self.runner.reap)

    # ---- Calls

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a command, or something that the client wants."""
        with suppress(OSError, asyncio.IncompleteReadError):
            text = await _frame(reader)
            command, directory, count, *words = [os.fsdecode(word) for word in text.split(b"\0")]
            argv, variables = words[: int(count)], words[int(count) :]
            if command:
                environment = dict(variable.partition("=")[::2] for variable in variables)
                call = Call(command, argv, directory, environment, os.getuid())
                answer = await self._answer(call, reader, writer)
            else:
                answer = await self._obey(argv)
            writer.write(self._framed(answer, command))
            await writer.drain()
        writer.close()
        if not command:
            await asyncio.sleep(0)  # "stop" is answered before it is obeyed

    async def _obey(self, argv: list[str]) -> Answer:
        """What the client or a step says."""
        try:
            if argv[0] == "run":
                words = json.loads(argv[1])
                call = Call(words[0], words[1:], "/", dict(os.environ), self._control.admin_id, admin=True, _stdin=b"")
                return await self._answer(call, None, None)
            return Answer(0, json.dumps(self._control.obey(argv[0], json.loads(argv[1]))))
        except (LookupError, ValueError) as error:
            return Answer(1, "", str(error.args[0] if error.args else error))

    async def _answer(
        self, call: Call, reader: asyncio.StreamReader | None, writer: asyncio.StreamWriter | None
    ) -> Answer:
        self.calls.append((time.time(), [call.command, *call.argv]))
        faults = [] if call.admin else self.faults.befalling(call.command)
        early: Answer | None = None
        for fault in faults:
            if fault.kind in ("fail", "hang") and fault.performed:
                early = await self._performed(call, reader, writer)
            if fault.kind in ("slow", "hang") or fault.seconds:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(fault.over.wait(), fault.seconds)
            if fault.kind == "fail":
                return self.personality.failure(call)
        answer = early or await self._performed(call, reader, writer)
        for fault in faults:
            if fault.kind in ("garble", "truncate", "empty"):
                answer = self.faults.spoil(answer, fault)
        return answer

    async def _performed(
        self, call: Call, reader: asyncio.StreamReader | None, writer: asyncio.StreamWriter | None
    ) -> Answer:
        while True:
            try:
                answer = self._perform(call)
            except StdinNeeded:
                if reader is None or writer is None:
                    raise
                writer.write(b"STDIN...")
                call._stdin = await _frame(reader)
                continue
            break
        if answer.delay:
            await asyncio.sleep(answer.delay)
        while answer.when is not None:
            answer = answer.when() or answer
            await asyncio.sleep(0.02 if answer.when else 0)
        return answer

    def _perform(self, call: Call) -> Answer:
        if self.model.is_down and (answer := self.personality.unreachable(call)) is not None:
            return answer
        try:
            return self._commands[call.command](call)
        except StdinNeeded:
            raise
        except Exception:
            # A mistake of the simulator's own: whoever called must see it.
            return Answer(70, "", f"{call.command}: error in the simulated cluster\n{traceback.format_exc()}")

    def _framed(self, answer: Answer, command: str) -> bytes:
        if answer.launch is not None:
            launch = asdict(answer.launch) | {"command": command, "socket": str(self._directory / "socket")}
            program = json.dumps(launch).encode()
            return b"LAUNCH..%08d" % len(program) + program
        texts = [os.fsencode(text) for text in (answer.stdout, answer.stderr)]
        return b"%08d" % answer.exit_code + b"".join(b"%08d" % len(text) + text for text in texts)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int(await reader.readexactly(8)))


async def _serve(directory: Path, kind: type[Personality], settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    server = Server(directory, kind, settings)
    server.personality.prepare()
    loop.add_signal_handler(signal.SIGCHLD, server.runner.reap)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, server.over.set)

    def owner_is_gone() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            server.over.set()

    loop.add_reader(0, owner_is_gone)
    os.chdir(directory)  # a socket's path may have no more than a hundred bytes
    listener = await asyncio.start_unix_server(server.serve, "socket", limit=1 << 22, backlog=1000)
    os.write(1, b"ready\n")
    await server.over.wait()
    listener.close()
    loop.remove_signal_handler(signal.SIGCHLD)
    server.runner.end_all()


def main() -> None:
    """Be the daemon."""
    directory = Path(sys.argv[1])
    try:
        line = b""
        while not line.endswith(b"\n"):
            part = os.read(0, 65536)
            if not part:
                return
            line += part
        wanted: dict[str, Any] = json.loads(line)
        adopt_orphans()
        asyncio.run(_serve(directory, personality_class(wanted["kind"]), Settings.of(wanted["settings"])))
    finally:
        os.chdir("/")
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
