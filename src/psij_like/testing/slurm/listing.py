"""`squeue`."""

from __future__ import annotations

import pwd
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Job, State, Wait
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call
from psij_like.testing.slurm import words

if TYPE_CHECKING:
    from psij_like.testing.slurm import SlurmPersonality

_OPTIONS = Options(
    [
        Option("account", "A"),
        Option("all", "a", "no"),
        Option("noheader", "h", "no"),
        Option("jobs", "j"),
        Option("me", "", "no"),
        Option("name", "n"),
        Option("format", "o"),
        Option("Format", "O"),
        Option("partition", "p"),
        Option("array", "r", "no"),
        Option("states", "t"),
        Option("user", "u"),
        Option("local", "", "no"),
        Option("verbose", "v", "no"),
    ]
)
_DEFAULT = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
Field = Callable[[Job], str]


class _Fields:
    """What squeue can tell of a job, by the letters of --format and the names of --Format."""

    def __init__(self, slurm: SlurmPersonality, environment: Mapping[str, str], *, expanded: bool) -> None:
        self._slurm = slurm
        self._environment = environment
        self._user = slurm.user_name
        version = slurm.version
        self.by_letter: dict[str, tuple[str, Field]] = {
            "A": ("JOBID", lambda job: str(job.number)),
            "a": ("ACCOUNT", lambda job: job.options.get("account", "(null)")),
            "C": ("CPUS", lambda job: str(sum(job.slots_on) or job.request.tasks * job.request.slots_per_task)),
            "D": ("NODES", lambda job: str(len(job.nodes) or job.request.nodes or 1)),
            "e": ("END_TIME", self._end),
            "E": ("DEPENDENCY", self._dependency),
            "F": ("ARRAY_JOB_ID", lambda job: job.array.native_id if job.array else str(job.number)),
            "i": ("JOBID", (lambda job: job.native_id) if expanded else self._compact_id),
            "j": ("NAME", lambda job: job.name),
            "k": ("COMMENT", lambda job: job.options.get("comment", "(null)")),
            "K": ("ARRAY_TASK_ID", lambda job: "N/A" if job.index is None else str(job.index)),
            "l": ("TIME_LIMIT", lambda job: words.duration(job.request.walltime)),
            "M": ("TIME", self._elapsed),
            "N": ("NODELIST", lambda job: words.node_list(job.nodes)),
            "P": ("PARTITION", lambda job: job.queue),
            "r": ("REASON", lambda job: words.reason(job, version)),
            "R": ("NODELIST(REASON)", self._nodes_or_reason),
            "S": ("START_TIME", self._start),
            "t": ("ST", lambda job: words.COMPACT[words.state(job)]),
            "T": ("STATE", words.state),
            "u": ("USER", lambda _: self._user),
            "U": ("UID", lambda job: str(job.user_id)),
            "V": ("SUBMIT_TIME", lambda job: words.moment(job.submitted, environment)),
            "Z": ("WORK_DIR", lambda job: job.script.directory if job.script else "/"),
        }
        letters = {"jobarrayid": "i", "jobid": "A", "arrayjobid": "F", "arraytaskid": "K", "state": "T", "reason": "r"}
        letters |= {"statecompact": "t", "endtime": "e", "starttime": "S", "userid": "U", "username": "u", "name": "j"}
        letters |= {"partition": "P", "comment": "k", "nodelist": "N", "timelimit": "l", "submittime": "V"}
        letters |= {"account": "a", "workdir": "Z", "numnodes": "D", "numcpus": "C", "reasonlist": "R", "timeused": "M"}
        self.by_name = {name: self.by_letter[letter] for name, letter in letters.items()}
        self.by_name["dependency"] = self.by_letter["E"]
        self.by_name["exit_code"] = ("EXIT_CODE", lambda job: str(words.wait_status(job)))

    def _start(self, job: Job) -> str:
        if job.start is not None:
            return words.moment(job.start, self._environment)
        if job.begin is not None:
            return words.moment(job.begin, self._environment)
        return "N/A"

    def _end(self, job: Job) -> str:
        if job.end is not None:
            return words.moment(job.end, self._environment)
        start = job.start if job.start is not None else job.begin
        if start is None:
            return "N/A"
        limit = job.request.walltime
        return "NONE" if limit is None else words.moment(start + limit, self._environment)

    def _elapsed(self, job: Job) -> str:
        if job.start is None:
            return "0:00"
        return words.duration((job.end or self._slurm.model.now()) - job.start)

    def _dependency(self, job: Job) -> str:
        if job.state is not State.PENDING or not job.dependencies:
            return "(null)"
        mark = "(failed)" if job.wait is Wait.NEVER else "(unfulfilled)"
        between = "?" if job.any_dependency else ","
        return between.join(f"{one.kind}:{one.native_id}{mark}" for one in job.dependencies)

    def _nodes_or_reason(self, job: Job) -> str:
        if job.state in (State.RUNNING, State.SUSPENDED, State.ENDING):
            return words.node_list(job.nodes)
        if words.state(job) == "COMPLETED":
            return words.node_list(job.nodes)
        return f"({words.reason(job, self._slurm.version)})"

    @staticmethod
    def _compact_id(job: Job) -> str:
        array = job.array
        if array is None or job.state is not State.PENDING:
            return job.native_id
        waiting = words.ranges(
            one.index or 0 for one in array.members if one.state is State.PENDING and one.wait is job.wait
        )
        return f"{array.native_id}_[{waiting}{f'%{array.limit}' if array.limit else ''}]"


def squeue(slurm: SlurmPersonality, call: Call) -> Answer:
    """List jobs."""
    try:
        options = dict(_OPTIONS.parse(call.argv, mixed=True)[0])
        fields = _Fields(slurm, call.environment, expanded="array" in options)
        if "Format" in options:
            template, columns, steady = _long_format(options["Format"], fields)
        else:
            form = options.get("format", call.environment.get("SQUEUE_FORMAT", _DEFAULT))
            template, columns, steady = _short_format(form, fields)
        jobs = _chosen(slurm, options)
    except OptionError as error:
        text = f'{error}\nTry "squeue --help" for more information'
        return Answer(1, "", f"squeue: {text}\n")
    except ValueError as error:
        return Answer(1, "", f"{error}\n")
    lines = [] if "noheader" in options else [(template % tuple(name for name, _ in columns)).rstrip("\n") + "\n"]
    # What a job's line was is remembered until the job changes: a hundred thousand are listed again and again.
    form = f"{template}{[name for name, _ in columns]}{call.environment.get('SLURM_TIME_FORMAT')}"
    steady = steady and "array" in options
    reads = [read for _, read in columns]
    seen: set[tuple[str, Wait]] = set()
    for job in _sorted(jobs):
        if "array" not in options and job.array is not None and job.state is State.PENDING:
            group = (job.array.native_id, job.wait)
            if group in seen:
                continue
            seen.add(group)
        if steady and job.row is not None and job.row[0] == form:
            lines.append(job.row[1])
            continue
        line = template % tuple([read(job) for read in reads]) + "\n"
        if steady:
            job.row = (form, line)
        lines.append(line)
    return Answer(0, "".join(lines))


def _sorted(jobs: Iterable[Job]) -> Iterable[Job]:
    """By partition and by state; held ones are the last of their state."""
    groups: dict[tuple[str, str, bool], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.queue, words.state(job), job.held is not None), []).append(job)
    for key in sorted(groups):
        yield from groups[key]


def _chosen(slurm: SlurmPersonality, options: Mapping[str, str]) -> Iterable[Job]:
    """ValueError: squeue refuses, and says so."""
    jobs: Iterable[Job]
    if "jobs" in options:
        ids = [word for word in re.split(r"[,\s]+", options["jobs"]) if word]
        for word in ids:
            if not re.fullmatch(r"\d+(_(\d+|\[[^\]]*\]))?", word):
                raise ValueError(f"squeue: error: Invalid job id: {word}")
        wanted = dict.fromkeys(job.native_id for word in ids for job in slurm.find(word))
        jobs = list(slurm.model.listing(wanted))
        if len(ids) == 1 and not jobs:
            raise ValueError("slurm_load_jobs error: Invalid job id specified")
    else:
        jobs = slurm.model.listing()
    if "user" in options or "me" in options:
        users = {slurm.user_name} if "me" in options else set(options["user"].split(","))
        ids_of = {user if user.isdigit() else str(_user_id(user)) for user in users}
        jobs = [job for job in jobs if str(job.user_id) in ids_of]
    for option, read in (("partition", _queue), ("name", _name), ("account", _account)):
        if option in options:
            among = options[option].split(",")
            jobs = [job for job in jobs if read(job) in among]
    states = _states(options.get("states", ""))
    return jobs if states is None else (job for job in jobs if words.state(job) in states)


def _queue(job: Job) -> str:
    return job.queue


def _name(job: Job) -> str:
    return job.name


def _account(job: Job) -> str:
    return job.options.get("account", "")


def _user_id(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise ValueError(f"squeue: error: Invalid user: {name}") from error


def _states(text: str) -> frozenset[str] | None:
    """The names of the states asked for; None: all."""
    if not text:
        return words.LIVE
    found = set()
    long = {short: name for name, short in words.COMPACT.items()}
    for word in text.upper().split(","):
        if word == "ALL":
            return None
        if word not in words.COMPACT and word not in long:
            valid = ",".join(words.COMPACT)
            lines = [f"Invalid job state specified: {word}", f"Valid job states include: {valid}\n"]
            raise ValueError("\n".join(f"squeue: error: {line}" for line in lines))
        found.add(long.get(word, word))
    return frozenset(found)


def _short_format(text: str, fields: _Fields) -> tuple[str, list[tuple[str, Field]], bool]:
    """A template for `%`, its columns, and whether a line stays as it is for as long as its job does."""
    template, columns, steady = "", [], True
    for match in re.finditer(r"%(\.?)(\d*)([A-Za-z%])|([^%]+)|%", text):
        right, width, letter, plain = match.groups()
        if letter is None or letter == "%":
            template += (plain or "%").replace("%", "%%")
        elif letter not in fields.by_letter:
            raise ValueError(f"squeue: error: Invalid job format specification: {letter}")
        else:
            columns.append(fields.by_letter[letter])
            steady = steady and letter not in "M"
            template += f"%{'' if right else '-'}{width}.{width}s" if width else "%s"
    return template, columns, steady


def _long_format(text: str, fields: _Fields) -> tuple[str, list[tuple[str, Field]], bool]:
    template, columns = "", []
    for part in text.split(","):
        name, _, form = part.partition(":")
        match = re.fullmatch(r"(\.?)(\d*)(.*)", form, re.DOTALL)
        column = fields.by_name.get(name.strip().lower())
        if column is None or match is None:
            raise ValueError(f"squeue: error: Invalid job format specification: {name}")
        columns.append(column)
        right, width, suffix = match.groups()
        width = width or ("" if suffix else "20")
        template += f"%{'' if right else '-'}{width}.{width}s" if width else "%s"
        template += suffix.replace("%", "%%")
    return template, columns, "timeused" not in text.lower()
