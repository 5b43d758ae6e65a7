"""Ctrl-C and SIGTERM, while jobs are submitted and followed."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Interruptions:
    """Within it Ctrl-C and SIGTERM are noted and nothing is torn apart: a job that is just submitted is not lost.

    A third Ctrl-C ends the program, whatever it does.
    """

    def __init__(self) -> None:
        self._noted: list[int] = []
        self._asked = False

    def __enter__(self) -> Interruptions:
        self._before = [signal.signal(number, self._note) for number in _NUMBERS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(_NUMBERS, self._before, strict=True):
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._noted.append(number)
        if self._noted.count(signal.SIGINT) > 2:
            raise KeyboardInterrupt

    @property
    def came(self) -> bool:
        """Whether there is one that `wants_an_end` has not dealt with."""
        return bool(self._noted)

    def wants_an_end(self, question: str) -> bool:
        """Whether what came means that jobs are to be cancelled.

        The first Ctrl-C asks, if somebody can be asked; a second one, also in place of an answer, means yes, as does
        SIGTERM.
        """
        noted, self._noted = self._noted, []
        if self._asked or signal.SIGTERM in noted or len(noted) > 1 or not sys.stdin.isatty():
            return True
        handlers = [signal.signal(number, signal.default_int_handler) for number in _NUMBERS]
        try:
            answer = bool(click.confirm(f"\n{question}", err=True))
        except (click.Abort, KeyboardInterrupt):  # once more
            answer = True
        finally:
            for number, handler in zip(_NUMBERS, handlers, strict=True):
                signal.signal(number, handler)
        self._asked = answer
        return answer
