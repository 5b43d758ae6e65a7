"""What may be asked of a Flux instance, whoever asks, to be answered on the thread of its connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from psij_like.executors._flux.bindings import Handle


@dataclass(eq=False)
class Request:
    """Something asked of the instance.

    Attributes:
        send: sends it by a handle; gives a future.
        read: reads that future when it is fulfilled: the answer. OSError or Gone if there is none.
        answer: what it gave or raised, when `answered`.
    """

    send: Callable[[Handle], Any]
    read: Callable[[Handle, Any], str]
    answer: str | Exception = ""
    answered: threading.Event = field(default_factory=threading.Event)

    def finish(self, answer: str | Exception) -> None:
        """Give the answer to whoever waits for it."""
        self.answer = answer
        self.answered.set()
