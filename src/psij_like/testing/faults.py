"""What goes wrong on purpose: which calls of commands it befalls, and what it makes of their output."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from psij_like.testing.personality import Answer

KINDS = frozenset({"fail", "hang", "slow", "garble", "truncate", "empty"})


@dataclass(eq=False)
class Fault:
    """One fault that is switched on; see `SimulatedCluster.fault`."""

    kind: str
    command: str | None = None
    rate: float = 1
    seconds: float | None = None
    times: int | None = None
    performed: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Faults:
    """The faults that are switched on now."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same mishaps again for the same seed
        self._faults: list[Fault] = []
        self._spent: list[Fault] = []  # have happened often enough, but a command may still hang

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Switch all of them off; commands that hang go on."""
        for fault in (*self._faults, *self._spent):
            fault.over.set()
        self._faults, self._spent = [], []

    def befalling(self, command: str) -> list[Fault]:
        """The faults that befall this call; those that have happened often enough are gone afterwards."""
        found = [
            fault
            for fault in self._faults
            if fault.command in (None, command) and (fault.rate >= 1 or self._random.random() < fault.rate)
        ]
        for fault in found:
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                    self._spent.append(fault)
        return found

    def spoil(self, answer: Answer, fault: Fault) -> Answer:
        """The answer as the fault leaves it."""
        text = answer.stdout
        if fault.kind == "empty":
            return Answer(0)
        if fault.kind == "truncate":
            return Answer(answer.exit_code, text[: self._random.randrange(len(text))] if text else "", answer.stderr)
        # Something in each line is replaced, dropped or doubled; some lines are no text at all.
        lines = [self._garbled(line) for line in text.splitlines(keepends=True)]
        return Answer(answer.exit_code, "".join(lines) or self._noise(40), answer.stderr)

    def _garbled(self, line: str) -> str:
        at = self._random.randrange(len(line))
        return self._random.choice(
            (
                line[:at] + self._noise(self._random.randrange(1, 9)) + line[at + 1 :],
                line[:at] + line[at + 5 :],
                line[:at] + line,
                self._noise(30) + "\n",
            )
        )

    def _noise(self, length: int) -> str:
        return "".join(chr(self._random.choice((0, 9, 27, 37, 91, 124, 233, 0xDCFF, 0x2603))) for _ in range(length))
