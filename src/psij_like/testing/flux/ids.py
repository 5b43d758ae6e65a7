"""Flux's job ids (FLUIDs, RFC 19): 64 bits that grow with time, written in several ways."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from psij_like.executors._flux.ids import form, number_of

__all__ = ["FORMS", "Clock", "converted", "curled", "form", "number_of", "pretended", "shown"]

_TIME_SHIFT = 24
_GENERATOR_SHIFT = 10
_MOST_AT_ONCE = 2**10
FORMS = ("dec", "f58", "f58plain", "hex", "kvs", "dothex")


class Clock:
    """Makes ids: milliseconds since the instance began, the generator's number (0), and a count."""

    def __init__(self) -> None:
        # As if the instance had been there for a while: ids then have their usual length.
        self._began = time.time() - 10
        self._last = 0
        self._count = 0

    def next(self) -> int:
        """An id that is greater than all before."""
        now = max(int((time.time() - self._began) * 1000), self._last)
        self._count = self._count + 1 if now == self._last else 0
        if self._count >= _MOST_AT_ONCE:
            now, self._count = now + 1, 0
        self._last = now
        return now << _TIME_SHIFT | self._count


def pretended(number: int) -> int:
    """An id that no `Clock` makes, as it has another generator."""
    return number << _TIME_SHIFT | 1 << _GENERATOR_SHIFT


def curled(native_id: str) -> str:
    """The id as Flux itself writes it, with a `ƒ`."""
    return f"ƒ{native_id[1:]}"


def shown(native_id: str, environment: Mapping[str, str]) -> str:
    """The id as a command writes it: the caller's locale may have no `ƒ`."""
    locale = next(filter(None, map(environment.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "C")
    plain = "FLUX_F58_FORCE_ASCII" in environment or not re.search("utf-?8", locale, re.IGNORECASE)
    return native_id if plain else curled(native_id)


def converted(number: int, to: str, environment: Mapping[str, str]) -> str:
    """The id in one of FORMS."""
    dotted = ".".join(f"{number:016x}"[at : at + 4] for at in range(0, 16, 4))
    return {
        "dec": str(number),
        "f58": shown(form(number), environment),
        "f58plain": form(number),
        "hex": f"{number:#x}",
        "kvs": f"job.{dotted}",
        "dothex": dotted,
    }[to]
