"""Makes answers of schedulers worse, and keeps track of whose lines were touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st

from reliability.corpora import Corpus

PAGE = """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><h1>502 Bad Gateway</h1><p>The server | at 10:00:00 | could not | be reached: job 99.</p></body></html>
"""
_LINES = (
    "",
    "|",
    "||||",
    "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
    "qstat: End of File",
    "99999|COMPLETED|0|0|None",
    "JobID: 99999",
    "    State : running",
    "<job_list>",
    "</Job>",
    "Job <99999>, Status <DONE>",
    "} , {",
    "=====",
    "jobnumber    99999",
    "\x00\x1b[31m\udcff",
    "9" * 5000,
)
GARBAGE = st.one_of(st.sampled_from(_LINES), st.text(max_size=60), st.just(PAGE))
KINDS = ("drop", "move", "double", "garbage", "flip", "cut", "mix", "join", "change")


class Blow(NamedTuple):
    """One thing that goes wrong: what, and where (taken modulo what is there)."""

    kind: str
    first: int
    second: int
    text: str


BLOWS = st.lists(
    st.builds(Blow, st.sampled_from(KINDS), st.integers(0, 10**6), st.integers(0, 10**6), GARBAGE), max_size=5
)


@dataclass
class Spoilt:
    """An answer that is being made worse.

    Attributes:
        corpus: what it is of.
        pieces: the ids of whom each piece of it is about, and the piece.
        touched: the ids of the jobs whose pieces are not what they were.
    """

    corpus: Corpus
    pieces: list[tuple[frozenset[str], str]]
    touched: set[str] = field(default_factory=set)

    def strike(self, blow: Blow) -> None:
        """Have something go wrong."""
        if not self.pieces:
            return
        at, other = blow.first % len(self.pieces), blow.second % len(self.pieces)
        _, text = self.pieces[at]
        body = text.rstrip("\n")  # the end of its last line belongs to the next one, too
        end, place = text[len(body) :], blow.second % max(1, len(body))
        ordered = self.corpus.ordered
        if blow.kind == "drop":
            self._touch(at)
            del self.pieces[at]
        elif blow.kind == "move" and not ordered:
            self.pieces.insert(other, self.pieces.pop(at))
        elif blow.kind == "double" and not ordered:
            self.pieces.insert(other, self.pieces[at])
        elif blow.kind == "garbage":
            self.touched |= self.corpus.owners(blow.text)
            self.pieces.insert(at, (frozenset(), blow.text + "\n"))
        elif blow.kind == "flip" and body:
            character = chr((ord(body[place]) ^ (1 << blow.first % 7)) or 1)
            self._put(at, body[:place] + character + body[place + 1 :] + end)
        elif blow.kind == "cut":
            self._put(at, body[:place] + end)
        elif blow.kind == "change" and body:
            self._put(at, body[:place] + blow.text + body[place + blow.first % 9 :] + end)
        elif blow.kind == "join" and at + 1 < len(self.pieces) and not self.corpus.between:
            following = self.pieces[at + 1][1]
            self._touch(at + 1)
            self._put(at, text.rstrip("\n") + following)
            del self.pieces[at + 1]
        elif blow.kind == "mix" and other != at:
            mixed = "".join(_interleaved(text, self.pieces[other][1]))
            self._touch(other)
            self._put(at, mixed)
            del self.pieces[other]

    def _put(self, at: int, text: str) -> None:
        self._touch(at)
        self.touched |= self.corpus.owners(text)
        self.pieces[at] = self.pieces[at][0], text

    def _touch(self, at: int) -> None:
        self.touched |= self.pieces[at][0]

    def text(self) -> str:
        """All of it."""
        return self.corpus.text(text for _, text in self.pieces)

    def cut_off(self, share: float) -> str:
        """What is left when it breaks off: whoever is not wholly in that is touched."""
        whole = self.text()
        left, end = int(len(whole) * share), len(self.corpus.head)
        for owners, text in self.pieces:
            end += len(text)
            if end > left:
                self.touched |= owners
            end += len(self.corpus.between)
        return whole[:left]


def _interleaved(one: str, other: str) -> list[str]:
    """The lines of two texts in turn."""
    lines, others = one.splitlines(keepends=True), other.splitlines(keepends=True)
    mixed = []
    for place in range(max(len(lines), len(others))):
        mixed += lines[place : place + 1] + others[place : place + 1]
    return mixed


def spoilt(corpus: Corpus, blows: Sequence[Blow]) -> Spoilt:
    """An answer of which all these blows have made what it is."""
    found = Spoilt(corpus, [(corpus.owners(unit), unit) for unit in corpus.units])
    for blow in blows:
        found.strike(blow)
    return found
