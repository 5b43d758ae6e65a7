"""Slurm's parsers and lines that make no sense: an odd line costs that line, and no other job's news."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from psij_like._engine.backend import Refused, Unavailable, User
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like.executors.batch.slurm import Slurm
from psij_like.job_state import JobState
from psij_like.job_status import Reason

SLURM = Slurm(User(1000, "user1"))
Parse = Callable[[str], Mapping[str, Report]]


def squeue(text: str) -> Mapping[str, Report]:
    return SLURM.reports(Result((), 0, text, ""))


def sacct(text: str) -> Mapping[str, Report]:
    return SLURM.detail_reports(0, Result((), 0, text, ""))


def details_of_squeue(text: str) -> Mapping[str, Report]:
    return SLURM.detail_reports(1, Result((), 0, text, ""))


PARSERS: dict[str, tuple[Parse, list[str]]] = {
    "squeue": (
        squeue,
        [
            "16|COMPLETED|1700000000|1700000009|None",
            "17|FAILED|1700000000|1700000009|RaisedSignal:9(Killed)",
            "18|PENDING|N/A|N/A|JobHeldUser",
            "25_0|RUNNING|1700000000|N/A|None",
            "25_1|RUNNING|1700000000|N/A|a|b c",
            "26|TIMEOUT|1700000000|1700000009|TimeLimit",
        ],
    ),
    "sacct": (
        sacct,
        [
            "16|COMPLETED|0:0|1700000009|1000",
            "17|FAILED|0:9|1700000009|1000",
            "18|PENDING|0:0|Unknown|1000",
            "25_0|RUNNING|0:0|Unknown|1000",
            "25_1|CANCELLED by 0|0:0|1700000009|1000",
            "26|FAILED|3:0|1700000009|1000",
        ],
    ),
    "squeue-details": (
        details_of_squeue,
        [
            "16|COMPLETED|0|1700000009|1000|",
            "17|FAILED|9|1700000009|1000|",
            "18|PENDING|0|N/A|1000|",
            "25_0|RUNNING|0|N/A|1000|",
            "26|FAILED|768|1700000009|1000|",
        ],
    ),
}
ALL = pytest.mark.parametrize("which", list(PARSERS))

OUR_IDS = {line.split("|")[0] for _, lines in PARSERS.values() for line in lines}

# Text that is a line about none of our jobs, though it may look like one about another.
FIELDS = ("COMPLETED", "RUNNING", "", "N/A", "0:0", "²", "9" * 5000, "0:" + "9" * 5000, "RaisedSignal:" + "9" * 5000)
GARBAGE: st.SearchStrategy[str] = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "",
            "|",
            "||||",
            "||||||||",
            "99",
            "99|",
            "99_[1-5%2]|PENDING|N/A|N/A|None",
            "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
            "sacct: error: slurmdbd: Sending message type",
            "JobID|State|ExitCode",
            "99|NO_SUCH_STATE|||",
        ]
    ),
    st.lists(st.sampled_from([*FIELDS, "99", "-1", "99.batch", "99+1"]), max_size=7).map("|".join),
).filter(lambda text: not any(line.split("|")[0] in OUR_IDS for line in text.split("\n")))


@ALL
def test_every_line_is_understood(which: str) -> None:
    parse, lines = PARSERS[which]
    assert list(parse("\n".join(lines) + "\n")) == [line.split("|")[0] for line in lines]


@ALL
@given(data=st.data())
def test_defect_02_garbage_between_the_lines_changes_no_report(which: str, data: st.DataObject) -> None:
    """Defect 2: a line that can not be parsed, or a state that nobody knows, stops nothing."""
    parse, lines = PARSERS[which]
    expected = dict(parse("\n".join(lines) + "\n"))
    mixed = data.draw(st.permutations(lines))
    for garbage in data.draw(st.lists(GARBAGE, min_size=1, max_size=5)):
        mixed.insert(data.draw(st.integers(0, len(mixed))), garbage)
    found = parse("\n".join(mixed))
    assert {native_id: found[native_id] for native_id in expected} == expected


@ALL
@given(data=st.data())
def test_defect_02_a_damaged_line_costs_its_own_job_at_most(which: str, data: st.DataObject) -> None:
    parse, lines = PARSERS[which]
    expected = dict(parse("\n".join(lines) + "\n"))
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number]
    native_id = line.split("|")[0]
    keep = data.draw(st.integers(len(native_id) + 1, len(line)))
    damaged = line[:keep] + data.draw(st.text(max_size=20).map(lambda text: text.replace("\n", " ")))
    found = parse("\n".join([*lines[:number], damaged, *lines[number + 1 :]]) + "\n")
    others = {key: report for key, report in expected.items() if key != native_id}
    assert {key: found[key] for key in others} == others
    assert set(found) <= set(expected)


@ALL
@given(cut=st.integers(0, 400))
def test_defect_02_an_answer_that_breaks_off(which: str, cut: int) -> None:
    """What came before the break is told as ever; the broken line may cost its own job's news, not its state."""
    parse, lines = PARSERS[which]
    whole = "\n".join(lines) + "\n"
    expected = parse(whole)
    try:
        found = parse(whole[:cut])
    except Unavailable:
        assert cut < len(lines[0])
        return
    unbroken = whole[:cut].split("\n")[:-1]
    for line in unbroken:
        native_id = line.split("|")[0]
        assert found[native_id] == expected[native_id]


@given(st.text(), st.text(), st.integers(0, 255))
@example("²|²|²|²|²|²", "", 0)
@example("1|FAILED|²|1|1", "", 0)
@example("1|FAILED|²|1|1|", "", 0)
@example("1|FAILED|" + "9" * 5000 + "|1|1|", "", 0)
@example("1|FAILED|0:" + "9" * 5000 + "|1|1", "", 0)
@example("1|FAILED|1|1|RaisedSignal:" + "9" * 5000, "", 0)
@example("1|COMPLETED|" + "9" * 5000 + "|" + "9" * 5000 + "|x", "", 0)
def test_parsers_are_total(stdout: str, stderr: str, exit_code: int) -> None:
    """An answer is news, or says that it is none in one of the two agreed ways."""
    result = Result(("squeue",), exit_code, stdout, stderr)
    calls: list[Callable[[], object]] = [
        lambda: SLURM.reports(result),
        lambda: SLURM.detail_reports(0, result),
        lambda: SLURM.detail_reports(1, result),
        lambda: SLURM.check_cancel(result),
        lambda: SLURM.native_id(result),
    ]
    for number, call in enumerate(calls):
        try:
            call()
        except (Unavailable, Refused):
            pass
        except ValueError:
            assert number == 4  # the agreed word for "nobody knows"
            assert exit_code == 0


@pytest.mark.parametrize("native_state", ["SOMETHING_NEW", "RUNNING+", "completed", "CD", "", "CANCELLED+"])
def test_S5_defect_02_states_that_mean_nothing_are_no_news(native_state: str) -> None:
    for parse, line in ((squeue, f"1|{native_state}|1|2|None"), (sacct, f"1|{native_state}|0:0|2|1000")):
        (report,) = parse(line + "\n").values()
        assert (report.state, report.native_state) == (None, native_state)
        assert not report.final


@pytest.mark.parametrize(
    ("native_state", "state", "reason"),
    [
        ("CONFIGURING", JobState.QUEUED, None),
        ("REQUEUED", JobState.QUEUED, None),
        ("REQUEUE_HOLD", JobState.QUEUED, None),
        ("SPECIAL_EXIT", JobState.QUEUED, None),
        ("COMPLETING", JobState.ACTIVE, None),
        ("STOPPED", JobState.ACTIVE, None),
        ("RESIZING", JobState.ACTIVE, None),
        ("SIGNALING", JobState.ACTIVE, None),
        ("DEADLINE", JobState.FAILED, Reason.TIMEOUT),
        ("OUT_OF_MEMORY", JobState.FAILED, Reason.OUT_OF_MEMORY),
        ("NODE_FAIL", JobState.FAILED, Reason.NODE_FAILURE),
        ("BOOT_FAIL", JobState.FAILED, Reason.NODE_FAILURE),
        ("PREEMPTED", JobState.FAILED, Reason.PREEMPTED),
    ],
)
def test_states_of_the_manual(native_state: str, state: JobState, reason: Reason | None) -> None:
    """Those that nobody could record."""
    for parse, line in ((squeue, f"1|{native_state}|1|2|None"), (sacct, f"1|{native_state}|0:0|2|1000")):
        (report,) = parse(line + "\n").values()
        assert (report.state, report.reason) == (state, reason)


def test_one_command_asks_about_all_jobs() -> None:
    """E4"""
    ids = [str(number) for number in range(10_000)]
    assert SLURM.status_command(ids) == SLURM.status_command(["1"])
    assert SLURM.status_command(ids).argv[0] == "squeue"
    assert SLURM.detail_command(0, ["1", "2"]).argv[:7] == ("sacct", "-X", "-P", "-n", "-j", "1,2", "-o")
    assert SLURM.cancel_command(["1", "2"]).argv == ("scancel", "1", "2")


@pytest.mark.parametrize(
    "report",
    [
        squeue("17|FAILED|1700000000|1700000009|RaisedSignal:53(Real-time_signal_19)\n")["17"],
        sacct("17|FAILED|0:53|1700000009|1000\n")["17"],
        details_of_squeue("17|FAILED|53|1700000009|1000|\n")["17"],
    ],
)
def test_a_job_whose_files_slurm_can_not_open_was_not_launched(report: Report) -> None:
    assert (report.state, report.reason, report.signal) == (JobState.FAILED, Reason.LAUNCH_FAILED, None)
