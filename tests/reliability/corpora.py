"""What the parsers are fed with: the answers of real schedulers, job by job, so that it is known what is whose."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from psij_like._engine.backend import Backend, Unavailable, User
from psij_like._engine.evidence import Report
from psij_like._engine.host import Result
from psij_like.executors._flux import ids
from psij_like.executors._flux.backend import Flux
from psij_like.executors._flux.news import Journal
from psij_like.executors.batch.cobalt import Cobalt
from psij_like.executors.batch.grid_engine import GridEngine
from psij_like.executors.batch.lsf import Lsf
from psij_like.executors.batch.pbs import Pbs
from psij_like.executors.batch.pbs_classic import PbsClassic
from psij_like.executors.batch.slurm import Slurm
from recorded import SACCT, names, recorded, sacct_as_asked, squeue_as_asked

Read = Callable[[Result], Mapping[str, Report]]
ME = User(1000, "user1")
BACKENDS: tuple[Backend, ...] = tuple(kind(ME) for kind in (Slurm, Pbs, PbsClassic, Lsf, Cobalt, GridEngine, Flux))
SLURM, PBS, TORQUE, LSF, COBALT, GRID_ENGINE, FLUX = BACKENDS
RECORDINGS = {
    "slurm-22.05": SLURM,
    "slurm-24.11": SLURM,
    "slurm-26.05": SLURM,
    "openpbs": PBS,
    "torque": TORQUE,
    "lsf": LSF,
    "cobalt": COBALT,
    "grid_engine": GRID_ENGINE,
    "flux": FLUX,
}
"""The folders of the recordings, and whose they are."""


@dataclass(frozen=True)
class Corpus:
    """A whole answer, in pieces.

    Attributes:
        read: the parser.
        units: the pieces, each about one job.
        between: what stands between two of them.
        head: what stands before them.
        tail: what stands after them.
        ordered: whether their order has a meaning, so that they are neither moved nor doubled.
    """

    read: Read
    units: Sequence[str]
    between: str = ""
    head: str = ""
    tail: str = ""
    ordered: bool = False

    def text(self, units: Iterable[str]) -> str:
        return self.head + self.between.join(units) + self.tail

    def reports(self, units: Iterable[str]) -> Mapping[str, Report]:
        """What the parser makes of some of the units; of an answer that says nothing, nothing."""
        with contextlib.suppress(Unavailable):
            return self.read(Result((), 0, self.text(units), ""))
        return {}

    def owners(self, text: str) -> frozenset[str]:
        """Whom a piece is about."""
        if self.ordered:  # a piece may mean nothing on its own
            return frozenset(ids.form(int(found)) for found in re.findall(r'"id": ?([0-9]{1,19})\b', text))
        return frozenset(self.reports([text]))


def _said(version: str, prefix: str) -> list[Result]:
    found = (recorded(version, name) for name in names(version, prefix))
    return [result for result in found if result.exit_code == 0]


def _one_each(pieces: Iterable[str], of: str) -> list[str]:
    """The first piece about each job; `of` finds the id (a regular expression)."""
    chosen: dict[tuple[str, ...], str] = {}
    for piece in pieces:
        found = re.search(of, piece, re.DOTALL)
        if found:
            chosen.setdefault(tuple(text or "" for text in found.groups()), piece)
    return list(chosen.values())


def _lines(results: Iterable[Result]) -> list[str]:
    return [line for result in results for line in result.stdout.splitlines(keepends=True)]


def _squeue(version: str) -> Corpus:
    results = map(squeue_as_asked, _said(version, "squeue-"))
    return Corpus(SLURM.reports, _one_each(_lines(results), r"^([0-9]+(?:_[0-9]+)?)\|"))


def _sacct() -> Corpus:
    results = [
        sacct_as_asked(result, *SACCT)
        for result in _said("slurm-22.05", "sacct-end-")
        if len(result.stdout.partition("\n")[0].split("|")) > len(SACCT)
    ]
    return Corpus(partial(SLURM.detail_reports, 0), _one_each(_lines(results), r"^([0-9]+(?:_[0-9]+)?)\|"))


def _exit_codes_of_squeue() -> Corpus:
    facts = ("16|COMPLETED|0", "17|FAILED|9", "18|PENDING|0", "25_0|RUNNING|0", "25_1|FAILED|256", "26|FAILED|768")
    return Corpus(partial(SLURM.detail_reports, 1), [f"{text}|1700000009|1000|\n" for text in facts])


def _pbs() -> Corpus:
    jobs: dict[str, object] = {}
    for name in names("openpbs", "state-"):
        if "json" in name:
            jobs.update(json.loads(recorded("openpbs", name).stdout).get("Jobs", {}))
    units = [f'"{native_id}": {json.dumps(job)}' for native_id, job in jobs.items()]
    return Corpus(PBS.reports, units, ",\n", '{"timestamp": 1, "pbs_server": "pbshost", "Jobs": {\n', "\n}}\n")


def _torque() -> Corpus:
    text = "".join(result.stdout for result in _said("torque", "qstat-x"))
    jobs = _one_each(re.findall("<Job>.*?</Job>", text, re.DOTALL), "<Job_Id>(.*?)</Job_Id>")
    return Corpus(TORQUE.reports, jobs, "", '<?xml version="1.0"?>\n<Data>', "</Data>\n")


def _lsf() -> Corpus:
    records = [record for result in _said("lsf", "bjobs-json-") for record in json.loads(result.stdout)["RECORDS"]]
    units = [json.dumps(record) for record in records if "JOBID" in record and "STAT" in record]
    units = _one_each(sorted(units, key=len, reverse=True), r'"JOBID": "([0-9]+)"')
    return Corpus(LSF.reports, units, ",\n", '{"COMMAND": "bjobs", "RECORDS": [\n', "\n]}\n")


def _lsf_long() -> Corpus:
    results = _said("lsf", "bjobs-l-")
    blocks = [block for result in results for block in re.split("^(?=\n?Job <)", result.stdout, flags=re.MULTILINE)]
    units = [
        re.sub("^-+\n", "", block, flags=re.MULTILINE) for block in _one_each(blocks, r"^\n?Job <([0-9]+)>.* Status <")
    ]
    return Corpus(partial(LSF.detail_reports, 0), units, "-" * 78 + "\n")


def _cobalt() -> Corpus:
    text = recorded("cobalt", "qstat-l").stdout
    jobs = re.findall(r"^JobID: (\d+)$.*?^ +State +: (\w+)$", text, re.MULTILINE | re.DOTALL)
    units = [f"JobID: {native_id}\n    State : {state}\n    User  : cobaltuser\n\n" for native_id, state in jobs]
    return Corpus(COBALT.reports, units)


def _qstat_of_grid_engine() -> Corpus:
    text = "".join(result.stdout for result in _said("grid_engine", "qstat-xml"))
    pieces = re.findall(r" *<job_list.*?</job_list>\n", text, re.DOTALL)
    units = _one_each(pieces, r"<JB_job_number>(\d+)<.*?(?:<tasks>(\d+)<.*)?</job_list>")
    units = [unit for unit in units if not re.search("<tasks>[^<]*[^0-9<]", unit)]
    return Corpus(GRID_ENGINE.reports, units, "", "<?xml version='1.0'?>\n<job_info>\n", "</job_info>\n")


def _qacct() -> Corpus:
    line = "=" * 62 + "\n"
    records = [
        record
        for result in _said("grid_engine", "qacct-")
        for record in re.split("^={20,}\n", result.stdout, flags=re.MULTILINE)
    ]
    units = _one_each((record for record in records if record.strip()), r"jobnumber +(\d+).*?taskid +(\S+)")
    return Corpus(partial(GRID_ENGINE.detail_reports, 0), units, line, line)


def _flux() -> Corpus:
    return Corpus(FLUX.reports, _one_each(_lines(_said("flux", "jobs-")), r"^(\d+)\|"))


def _journal() -> Corpus:
    def read(result: Result) -> Mapping[str, Report]:
        journal = Journal(ME.id)
        for line in result.stdout.split("\n"):
            with contextlib.suppress(ValueError, RecursionError):
                journal.take(json.loads(line))
        return dict(journal._known)

    path = Path(__file__).parents[1] / "recordings" / "flux" / "journal-mixed.jsonl"
    return Corpus(read, path.read_text().splitlines(keepends=True), ordered=True)


CORPORA: dict[str, Corpus] = {
    "slurm-22.05-squeue": _squeue("slurm-22.05"),
    "slurm-24.11-squeue": _squeue("slurm-24.11"),
    "slurm-26.05-squeue": _squeue("slurm-26.05"),
    "slurm-sacct": _sacct(),
    "slurm-exit-codes": _exit_codes_of_squeue(),
    "pbs": _pbs(),
    "pbs_classic": _torque(),
    "lsf": _lsf(),
    "lsf-long": _lsf_long(),
    "cobalt": _cobalt(),
    "grid_engine-qstat": _qstat_of_grid_engine(),
    "grid_engine-qacct": _qacct(),
    "flux": _flux(),
    "flux-journal": _journal(),
}
