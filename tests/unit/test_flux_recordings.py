"""What Flux's commands and its journal say, fed with what a real Flux 0.88 said, whole and spoilt."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like._engine.backend import Refused, Unavailable, User
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like.executors._flux import ids
from psij_like.executors._flux.backend import Flux
from psij_like.executors._flux.news import Journal, waits
from psij_like.job_state import JobState
from psij_like.job_status import Reason
from recorded import names, recorded

ME = 1001
FLUX = Flux(User(ME, "user1"))
JOURNALS = Path(__file__).parents[1] / "recordings" / "flux"

Fact = tuple[JobState | None, Reason | None, int | None, int | None]


def said(name: str) -> Result:
    return recorded("flux", name)


def lines(name: str) -> list[object]:
    """The messages of a recorded journal; what is none stays text."""
    messages: list[object] = []
    for line in (JOURNALS / f"journal-{name}.jsonl").read_text().splitlines():
        try:
            messages.append(json.loads(line))
        except ValueError:
            messages.append(line)
    return messages


def facts(report: Report) -> Fact:
    return report.state, report.reason, report.exit_code, report.signal


# ---- ids


@pytest.mark.parametrize(
    "text",
    ["4797428137984", "ƒ3B2BJCY7", "f3B2BJCY7", "0x45cfd000000", "job.0000.045c.fd00.0000", "0000.045c.fd00.0000"],
)
def test_every_form_of_an_id_is_the_same_id(text: str) -> None:
    assert ids.normalised(text) == "f3B2BJCY7"
    assert ids.normalised(f" {text}\n") == "f3B2BJCY7"


@given(st.integers(0, 2**64 - 1))
def test_ids_come_back(number: int) -> None:
    form = ids.form(number)
    assert ids.number_of(form) == ids.number_of(str(number)) == ids.number_of(hex(number)) == number
    assert ids.normalised(form) == form


@given(st.text())
def test_what_is_no_id(text: str) -> None:
    try:
        assert 0 <= ids.number_of(text) < 2**64
    except ValueError:
        assert text not in ("0", "f1", "ƒ1")


@pytest.mark.parametrize(
    "text", ["", "f", "ƒ", "f0", "fI", "-1", "1;id", "artist-uranium", "zz", str(2**64), "fzzzzzzzzzzz"]
)
def test_these_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a Flux job"):
        ids.normalised(text)


# ---- submission


def test_E1_the_id_of_a_submitted_job() -> None:
    assert FLUX.native_id(said("submit-good")) == ids.normalised(said("submit-good").stdout)
    for text in ("ƒ2qiSvdgb\n", "f2qiSvdgb\n", "a banner of the site's\nf2qiSvdgb\n"):
        assert FLUX.native_id(Result((), 0, text, "")) == "f2qiSvdgb"


def test_an_answer_without_an_id_is_no_refusal() -> None:
    for text in ("", "submitted\n", "-1\n"):
        with pytest.raises(ValueError, match=r"is not the id|no whole job id"):
            FLUX.native_id(Result((), 0, text, ""))


@pytest.mark.parametrize("name", names("flux", "submit-"))
def test_E3_refusals_have_its_own_words(name: str) -> None:
    result = said(name)
    if result.exit_code == 0:
        return
    with pytest.raises(Refused) as caught:
        FLUX.native_id(result)
    assert caught.value.transient == (name in ("submit-no-instance", "submit-disabled"))
    assert result.stderr.strip() in str(caught.value)


# ---- cancel, hold and release


@pytest.mark.parametrize("name", ["running", "pending", "inactive", "unknown", "some"])
def test_cancels_of_jobs_that_have_ended_are_no_errors(name: str) -> None:
    FLUX.check_cancel(said(f"raise-{name}"))


def test_a_cancel_that_does_not_arrive() -> None:
    with pytest.raises(Refused) as caught:
        FLUX.check_cancel(said("raise-no-instance"))
    assert caught.value.transient


@pytest.mark.parametrize("name", names("flux", "urgency-"))
def test_what_can_not_be_held(name: str) -> None:
    with pytest.raises(Refused) as caught:
        FLUX.check_hold(said(name))
    assert not caught.value.transient


# ---- the list


def test_states_of_the_list() -> None:
    alive = {ids.number_of(key): facts(report) for key, report in FLUX.reports(said("jobs-alive")).items()}
    queued, runs = (JobState.QUEUED, None, None, None), (JobState.ACTIVE, None, None, None)
    assert alive == {
        60314091520: queued,
        61186506752: (JobState.QUEUED, Reason.HELD, None, None),
        61740154880: (JobState.QUEUED, Reason.HELD, None, None),
        59659780096: runs,
        58955137024: runs,
        58099499008: runs,
        62293803008: (JobState.COMPLETED, Reason.EXIT, 0, None),
        57344524288: (JobState.FAILED, Reason.LAUNCH_FAILED, None, None),
        56673435648: (JobState.FAILED, Reason.SIGNAL, 137, 9),
        56103010304: (JobState.FAILED, Reason.EXIT, 3, None),
        55096377344: (JobState.COMPLETED, Reason.EXIT, 0, None),
    }
    assert FLUX.reports(said("jobs-none")) == {}


ENDED: dict[int, Fact] = {
    84674609152: (JobState.COMPLETED, Reason.EXIT, 0, None),
    82913001472: (JobState.COMPLETED, Reason.EXIT, 0, None),
    79725330432: (JobState.FAILED, Reason.SIGNAL, 143, 15),
    59659780096: (JobState.CANCELED, Reason.CANCELLED, 143, 15),
    60314091520: (JobState.FAILED, Reason.DEPENDENCY_FAILED, None, None),
    58955137024: (JobState.CANCELED, Reason.CANCELLED, 143, 15),
    75984011264: (JobState.COMPLETED, Reason.EXIT, 0, None),  # a cancel came when it had ended
    61186506752: (JobState.COMPLETED, Reason.EXIT, 0, None),
    61740154880: (JobState.COMPLETED, Reason.EXIT, 0, None),
    58099499008: (JobState.FAILED, Reason.TIMEOUT, 142, 14),
    62293803008: (JobState.COMPLETED, Reason.EXIT, 0, None),
    57344524288: (JobState.FAILED, Reason.LAUNCH_FAILED, None, None),
    56673435648: (JobState.FAILED, Reason.SIGNAL, 137, 9),
    56103010304: (JobState.FAILED, Reason.EXIT, 3, None),
    55096377344: (JobState.COMPLETED, Reason.EXIT, 0, None),
}


def test_ends_in_the_list() -> None:
    reports = FLUX.reports(said("jobs-ended"))
    assert {ids.number_of(key): facts(report) for key, report in reports.items()} == ENDED
    infeasible = reports[ids.form(57344524288)]
    assert "unsatisfiable request: need 5 node(s)" in str(infeasible.message)
    assert infeasible.time == pytest.approx(1795259634.1138203)


def test_an_instance_that_does_not_answer() -> None:
    with pytest.raises(Unavailable, match="Unable to connect"):
        FLUX.reports(said("jobs-no-instance"))


def test_S5_unknown_states_are_no_news() -> None:
    text = said("jobs-ended").stdout + said("jobs-alive").stdout
    for word in ("INACTIVE", "COMPLETED", "FAILED", "CANCELED", "TIMEOUT", "RUN", "DEPEND", "SCHED"):
        text = text.replace(f"|{word}|", "|DAYDREAM|")
    assert {report.state for report in FLUX.reports(Result((), 0, text, "")).values()} == {None}


@given(st.data())
def test_defect_02_spoilt_lists_change_no_other_job(data: st.DataObject) -> None:
    whole = said("jobs-alive").stdout.splitlines()
    spoilt = list(whole)
    number = data.draw(st.integers(0, len(whole) - 1))
    spoilt[number] = (
        data.draw(st.text(st.characters(exclude_characters="\n"), max_size=30))
        + spoilt[number][data.draw(st.integers(0, len(spoilt[number]))) :]
    )
    expected = FLUX.reports(said("jobs-alive"))
    reports = FLUX.reports(Result((), 0, "\n".join(spoilt), ""))
    for index, line in enumerate(whole):
        if index != number:
            native_id = ids.normalised(line.partition("|")[0])
            assert reports[native_id] == expected[native_id]


@given(st.text())
def test_parsers_are_total(text: str) -> None:
    with contextlib.suppress(Unavailable):
        FLUX.reports(Result((), 0, text, ""))


# ---- the journal


def heard(journal: Journal, messages: Iterable[object]) -> dict[str, list[Report]]:
    reports: dict[str, list[Report]] = {}
    for report in itertools.chain.from_iterable(map(journal.take, messages)):
        reports.setdefault(report.native_id, []).append(report)
    return reports


@pytest.mark.parametrize("name", ["whole", "filtered"])
def test_a_job_that_fails(name: str) -> None:
    (reports,) = heard(Journal(ME), lines(name)).values()
    states = [report.state for report in reports]
    assert states == [JobState.QUEUED, *([JobState.ACTIVE] if name == "whole" else []), JobState.FAILED]
    assert (reports[-1].reason, reports[-1].exit_code) == (Reason.EXIT, 3)
    assert reports[-1].time == pytest.approx(1795210954.3 if name == "filtered" else 1795210954.07, abs=0.1)


def test_the_journal_and_the_list_agree_on_all_ends() -> None:
    journal = Journal(ME)
    reports = heard(journal, lines("mixed"))
    ended = {ids.number_of(key): facts(told[-1]) for key, told in reports.items()}
    assert ended == ENDED
    assert all(journal.known(key) == told[-1] for key, told in reports.items())


def test_who_cancelled() -> None:
    told = heard(Journal(ME + 1), lines("mixed"))
    assert facts(told[ids.form(59659780096)][-1])[:2] == (JobState.CANCELED, Reason.CANCELLED_BY_ADMIN)


def test_held_and_released() -> None:
    journal = Journal(ME)

    def urgency(value: object) -> list[object]:
        events = [{"timestamp": 1.0, "name": "urgency", "context": {"userid": ME, "urgency": value}}]
        return [report.reason for report in journal.take({"id": 1, "events": events})]

    assert [urgency(0), urgency(16), urgency("odd")] == [[Reason.HELD], [None], [None]]
    journal.take({"id": 1, "events": [{"timestamp": 2.0, "name": "start"}]})
    assert urgency(0) == []


def test_an_end_of_which_the_journal_may_have_missed_the_cause_is_no_news() -> None:
    finish = {"name": "finish", "context": {"status": 143 << 8}}
    message = {"id": 5, "events": [finish, {"name": "clean"}]}
    assert Journal(ME).take(message) == []
    journal = Journal(ME)
    journal.learn(Report(ids.form(5), JobState.ACTIVE, "RUN"))
    assert [facts(report) for report in journal.take(message)] == [(JobState.FAILED, Reason.SIGNAL, 143, 15)]
    assert journal.take(message) == []  # it has ended once
    journal.forget(ids.form(5))
    assert journal.known(ids.form(5)) is None


def test_what_was_asked_does_not_replace_what_was_heard() -> None:
    journal = Journal(ME)
    journal.take({"id": 5, "events": [{"name": "start"}]})
    journal.learn(waits(ids.form(5), 16))
    journal.learn(Report(ids.form(6), JobState.COMPLETED))
    known = journal.known(ids.form(5))
    assert known is not None
    assert known.state is JobState.ACTIVE
    assert journal.known(ids.form(6)) is None


def test_what_is_kept_in_mind_is_limited() -> None:
    journal = Journal(ME)
    for number in range(25_000):
        journal.take({"id": number, "events": [{"name": "start"}, {"name": "finish", "context": {"status": 0}}]})
    assert journal.known(ids.form(24_999)) is not None
    assert len(journal._known) == len(journal._ends) == 10_000


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": ODD,
        "name": st.sampled_from(["submit", "urgency", "start", "finish", "exception", "clean", "flub"]) | ODD,
        "context": st.dictionaries(st.sampled_from(["urgency", "status", "severity", "type", "note", "userid"]), ODD)
        | ODD,
    },
)
MESSAGES = ODD | st.fixed_dictionaries(
    {}, optional={"id": st.integers(-2, 3) | ODD, "events": st.lists(EVENTS | ODD, max_size=5) | ODD}
)


@given(st.lists(MESSAGES, max_size=20))
def test_odd_messages_never_raise(messages: list[Any]) -> None:
    journal = Journal(ME)
    for message in messages:
        for report in journal.take(message):
            assert ids.normalised(report.native_id) == report.native_id


@given(st.integers(0, 200), st.data(), st.randoms(use_true_random=False))
def test_lost_and_odd_messages_about_others_change_nothing(
    keep: int, data: st.DataObject, order: random.Random
) -> None:
    """Whatever else comes in between, a job's own messages mean what they mean."""
    whole = lines("mixed")
    ours = 58955137024
    own = [message for message in whole if isinstance(message, dict) and message["id"] == ours]
    others: list[object] = [message for message in whole if message not in own][:keep]
    others += [message for message in data.draw(st.lists(MESSAGES, max_size=10)) if not _about(message, ours)]
    order.shuffle(others)
    mixed: list[object] = list(own)
    positions = sorted(order.randrange(len(own) + 1) for _ in others)
    for position, message in reversed(list(zip(positions, others, strict=True))):
        mixed.insert(position, message)
    assert heard(Journal(ME), mixed)[ids.form(ours)] == heard(Journal(ME), own)[ids.form(ours)]


def _about(message: object, number: int) -> bool:
    return isinstance(message, dict) and message.get("id") == number
