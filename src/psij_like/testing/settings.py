"""What may be chosen of a simulated cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The settings of a simulated cluster. Times are in seconds; 0 is allowed.

    Attributes:
        nodes: how many nodes there are: n1, n2, ...
        slots: slots (cores) of each node.
        gpus: GPUs of each node; they are only counted.
        memory: bytes of each node; a job that asks for more is treated as the real scheduler would.
        seed: of everything that happens by chance.
        queues: the queues (partitions), the first one being the default, each with its longest walltime in seconds or
            None for no limit. Empty: those of the personality, Slurm's being debug and short (of ten minutes).
        history: how long ended jobs stay in the scheduler's lists.
        accounting: whether there is a database of ended jobs (Slurm's sacct).
        start_delay: how long the scheduler takes to look at a new job or at a freed slot.
        kill_wait: time between asking a job to end and killing it.
        walltime_scale: how long a second of walltime lasts: with 0.01 a job of one minute is over after 0.6 s.
        walltime_check: time between two looks at walltimes; 0: they end to the moment.
        requeue_delay: how long a job that is to run again waits.
        max_array_size: one more than the largest index of an array's element.
        version: of the scheduler, where the recordings of several versions differ; "" for the personality's own.
        extra: settings that only one kind of scheduler has.
    """

    nodes: int = 4
    slots: int = 8
    gpus: int = 0
    memory: int = 16000 * 2**20
    seed: int = 0
    queues: Mapping[str, float | None] = field(default_factory=dict)
    history: float = 300
    accounting: bool = True
    start_delay: float = 0
    kill_wait: float = 5
    walltime_scale: float = 1
    walltime_check: float = 0
    requeue_delay: float = 0
    max_array_size: int = 1001
    version: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("nodes", 1), ("slots", 1), ("gpus", 0), ("memory", 1), ("seed", 0), ("max_array_size", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name}: {value!r} is not a whole number of at least {least}")
        for name in ("history", "start_delay", "kill_wait", "walltime_scale", "walltime_check", "requeue_delay"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(f"{name}: {value!r} is not a number of seconds")
        if not isinstance(self.accounting, bool):
            raise ValueError(f"accounting: {self.accounting!r} is neither True nor False")  # noqa: TRY004
        for queue, limit in self.queues.items():
            if not isinstance(queue, str) or not queue or not (limit is None or limit > 0):
                raise ValueError(f"queues: {queue!r}: {limit!r} is not a name and a number of seconds, or None")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """Settings out of keywords; what this class does not know is put in `extra`."""
        own = {item.name for item in fields(cls)} - {"extra"}
        known = {name: value for name, value in given.items() if name in own}
        return cls(**known, extra={name: value for name, value in given.items() if name not in own})
