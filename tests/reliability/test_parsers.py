"""Answers of schedulers, spoilt in every way: an odd line costs that line, and nobody gets an end that is not his."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like._engine.backend import Backend, Refused, Unavailable
from psij_like._engine.host import Result
from recorded import names, recorded
from reliability.corpora import BACKENDS, CORPORA, RECORDINGS
from reliability.scale import examples, tried
from reliability.spoil import BLOWS, GARBAGE, PAGE, Blow, spoilt

EXIT_CODES = st.sampled_from([0, 0, 0, 1, 2, 35, 153, 255])
TEXTS = st.text(st.characters(categories=["L", "P"]), max_size=40)
EVERY = pytest.mark.parametrize("which", list(CORPORA))


def parsers(backend: Backend, result: Result) -> Iterator[tuple[type[Exception], Callable[[], object]]]:
    """Everything of a backend's that reads answers, and what else than Refused and Unavailable it may raise."""
    yield ValueError, lambda: backend.native_id(result)
    for read in (backend.reports, backend.check_cancel, backend.check_hold, backend.learn):
        yield Refused, lambda read=read: read(result)  # type: ignore[misc]
    for number in range(backend.detail_sources):
        yield Refused, lambda number=number: backend.detail_reports(number, result)  # type: ignore[misc]
    yield Refused, lambda: backend.log_report("7", result.stdout)


def check_that_all_are_total(result: Result) -> None:
    for backend in (type(backend)(backend.user) for backend in BACKENDS):  # some learn from what they read
        for allowed, read in parsers(backend, result):
            with contextlib.suppress(Refused, Unavailable, allowed):
                read()


@EVERY
@examples(12_000 // len(CORPORA) + 1, 30)
@given(blows=BLOWS, share=st.one_of(st.just(1.0), st.floats(0, 1)), stderr=GARBAGE)
def test_a_spoilt_answer_costs_the_jobs_it_is_spoilt_for_at_most(
    which: str, blows: list[Blow], share: float, stderr: str
) -> None:
    corpus = CORPORA[which]
    expected = corpus.reports(corpus.units)
    answer = spoilt(corpus, blows)
    text = answer.cut_off(share) if share < 1 else answer.text()
    result = Result(("status",), 0, text, stderr)
    tried[f"answers spoilt job by job, {which}"] += 1
    check_that_all_are_total(result)
    try:
        found = corpus.read(result)
    except Unavailable:
        return
    untouched = expected.keys() - answer.touched
    assert {key: found.get(key) for key in untouched} == {key: expected[key] for key in untouched}
    for report in found.values():
        if report.final and report.native_id in expected:
            assert report.native_id in answer.touched or report == expected[report.native_id]


@pytest.mark.parametrize("which", [which for which, corpus in CORPORA.items() if not corpus.ordered])
@examples(150, 5)
@given(before=TEXTS, after=TEXTS)
def test_an_error_page_is_no_answer(which: str, before: str, after: str) -> None:
    tried["error pages"] += 1
    with pytest.raises(Unavailable):
        CORPORA[which].read(Result((), 0, f"{before}\n{PAGE}{after}", ""))


FILES = [(version, name) for version in RECORDINGS for name in names(version, "")]


@examples(6_000, 200)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 40), GARBAGE), max_size=4),
    st.floats(0, 1),
    EXIT_CODES,
    GARBAGE,
)
def test_whatever_a_command_says_the_parsers_are_total(
    file: tuple[str, str], changes: list[tuple[int, int, str]], share: float, exit_code: int, stderr: str
) -> None:
    """Any recording of any scheduler, with pieces replaced at random, through every parser of every backend."""
    text = recorded(*file).stdout
    for at, length, garbage in changes:
        place = at % (len(text) + 1)
        text = text[:place] + garbage + text[place + length :]
    if share < 0.5:
        text = text[: int(len(text) * share * 2)]
    tried["recordings with pieces replaced, through all parsers"] += 1
    check_that_all_are_total(Result(("command",), exit_code, text, stderr))


@pytest.mark.parametrize("version", RECORDINGS)
def test_half_an_answer_never_names_another_job(version: str) -> None:
    backend = RECORDINGS[version]
    for name in itertools.chain.from_iterable(names(version, word) for word in ("sbatch", "qsub", "bsub", "submit")):
        result = recorded(version, name)
        try:
            native_id = backend.native_id(result)
        except (ValueError, Refused):
            continue
        for end in range(len(result.stdout)):
            tried["answers to submissions that break off"] += 1
            with contextlib.suppress(ValueError):
                assert backend.native_id(Result((), 0, result.stdout[:end], "")) == native_id
