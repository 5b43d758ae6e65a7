"""The personality that both have: names of jobs, how a job's script is started and its output delivered."""

from __future__ import annotations

import dataclasses
import os
import pwd
import re
import shlex
import shutil
import signal
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from psij_like.testing.jobs import Cause, Job
from psij_like.testing.model import Model
from psij_like.testing.pbs.shared import words
from psij_like.testing.personality import Answer, Call, Personality
from psij_like.testing.settings import Settings

_BOURNE = ("sh", "bash", "dash", "ksh", "zsh")
# The job's shell ends by a signal that it got; but what it has started may take its time to end before, as long as the
# next look at the job's processes lets it. It says nothing of its own about how that ended.
_LEADER = """#!/bin/sh
signal=
trap 'signal=TERM' TERM
exec 3>&2 2>/dev/null
{shell} {options} {script} {arguments} 2>&3 3>&-
code=$?
if [ -n "$signal" ]; then trap - "$signal"; kill -s "$signal" $$; fi
exit "$code"
"""


@dataclass
class Submitted:
    """What is known of a submission beside what the model knows: shared by all elements of an array.

    Attributes:
        text: the script.
        options: of qsub, by letter; those of `-W` by name.
        resources: the Resource_List.
        variables: the Variable_List.
        arguments: the command line.
        directory: where qsub was called.
        lines: how often a node is in the node file for each task on it.
        chunk: what each task takes of a node, as it is shown.
        indices: of an array, as they were given.
    """

    text: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    resources: dict[str, str | int] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    arguments: str = ""
    directory: str = "/"
    lines: int = 1
    chunk: str = "ncpus=1"
    indices: str = ""


_UNKNOWN = Submitted()


class QsubPersonality(Personality):
    """See the module. Subclasses say what is true of one kind only."""

    command_names: ClassVar[tuple[str, ...]] = ("pbsnodes", "qdel", "qhold", "qrls", "qselect", "qsig", "qstat", "qsub")
    kill = ((signal.SIGTERM, True),)
    dead_dependency_ends = True
    lost_directory = "/"
    default_queues: ClassVar[Mapping[str, float | None]]
    version_text: ClassVar[str]
    element_separator: ClassVar[str]
    """What stands between the name of an output file and the index of an array's element."""

    @classmethod
    def check(cls, settings: Settings) -> None:
        """See `Personality.check`."""
        unknown = set(settings.extra) - {"server_name", "stopped", "disabled", "resources", "login_shell"}
        if unknown:
            raise ValueError(f"{cls.name} has no setting {', '.join(sorted(unknown))}")
        if settings.version:
            raise ValueError(f"version: {cls.name} is simulated in one version only")

    def __init__(self, model: Model, settings: Settings, directory: Path) -> None:
        extra = settings.extra
        self.stopped, self.disabled = frozenset(extra.get("stopped", ())), frozenset(extra.get("disabled", ()))
        queues = {**(settings.queues or self.default_queues), **dict.fromkeys(sorted(self.stopped | self.disabled))}
        super().__init__(model, dataclasses.replace(settings, queues=queues), directory)
        self.server = str(extra.get("server_name", "sim"))
        self.own_resources = frozenset(extra.get("resources", ()))
        self.purged: set[str] = set()
        self._submitted: dict[int, Submitted] = {}

    def commands(self) -> Mapping[str, Callable[[Call], Answer]]:
        """See `Personality.commands`."""
        return {name: self._told(act) for name, act in self.acts().items()}

    @abstractmethod
    def acts(self) -> Mapping[str, Callable[[Call], Answer]]:
        """What answers for each command, but for its version."""

    def _told(self, act: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        return lambda call: Answer(0, self.version_text) if list(call.argv) == ["--version"] else act(call)

    def prepare(self) -> None:
        """See `Personality.prepare`."""
        super().prepare()
        for name in ("aux", "jobs", "tmp", "undelivered"):
            (self.directory / name).mkdir()

    # ---- Names

    @property
    def user_name(self) -> str:
        """The user whom all jobs belong to."""
        return self.bare_environment()["USER"]

    def name_of(self, user_id: int) -> str:
        """A user's name."""
        try:
            return pwd.getpwuid(user_id).pw_name
        except KeyError:
            return "pbsadmin"

    def pretend_id(self, number: int) -> str:
        """See `Personality.pretend_id`."""
        return f"{number}.{self.server}"

    def whole_id(self, text: str) -> str | None:
        """`7` or `7[1]` with the server's name; None: it is no id."""
        match = re.fullmatch(r"(\d{1,12}(?:\[[\d,:-]*\])?)(?:\.([A-Za-z0-9_.-]+))?", text)
        return None if match is None else f"{match[1]}.{match[2] or self.server}"

    def find(self, whole_id: str) -> list[Job]:
        """The jobs that are still listed and meant by a whole id; `7[4-6].sim` means several."""
        match = re.fullmatch(r"(\d+)\[([\d,:-]+)\](\..*)", whole_id)
        ids = [whole_id]
        if match is not None:
            try:
                ids = [f"{match[1]}[{index}]{match[3]}" for index in words.indices(match[2])]
            except ValueError:
                return []
        known = {job.native_id for job in self.model.listing(ids)}
        if any(native_id in self.model.arrays for native_id in ids):
            known = {job.native_id for native_id in ids for job in self.model.find(native_id)}
        listed = self.model.listed
        return [
            job for one in ids for job in self.model.find(one) if job.native_id in known and job.native_id in listed
        ]

    def submitted(self, job: Job) -> Submitted:
        """What was said when the job was submitted."""
        return self._submitted.get(int(job.native_id.partition(".")[0].partition("[")[0]), _UNKNOWN)

    def remember(self, number: int, submitted: Submitted) -> None:
        """Keep it for `submitted`."""
        self._submitted[number] = submitted

    # ---- A job's processes

    def starting(self, job: Job) -> None:
        """See `Personality.starting`."""
        if job.script is None:
            return
        submitted = self.submitted(job)
        names = [node for node, tasks in zip(job.nodes, job.tasks_on, strict=True) for _ in range(max(tasks, 1))]
        text = "".join(f"{name}\n" * submitted.lines for name in names)
        (self.directory / "aux" / job.native_id).write_text(text)
        (self.directory / "tmp" / job.native_id).mkdir(exist_ok=True)
        script = self._script(job)
        script.write_bytes(os.fsencode(submitted.text))
        script.chmod(0o700)
        for path in self.spooled(job):
            path.unlink(missing_ok=True)
            path.touch(0o600)
        joined = submitted.options.get("j", "n")
        out, err = self.spooled(job)
        errors = None if joined != "n" else str(err)
        job.script = dataclasses.replace(
            job.script,
            text=self.leader(job, submitted),
            stdout=str(err if joined == "eo" else out),
            stderr=errors,
        )

    def _script(self, job: Job) -> Path:
        return self.directory / "jobs" / f"{job.native_id}.SC"

    def spooled(self, job: Job) -> tuple[Path, Path]:
        """Where a job's output and its errors are while it runs."""
        spool = self.directory / "spool"
        return spool / f"{job.native_id}.OU", spool / f"{job.native_id}.ER"

    def leader(self, job: Job, submitted: Submitted) -> str:
        """The script of the process that leads the job: it starts the job's shell, and that the job's script."""
        shell = submitted.options.get("S", "").partition(",")[0].partition("@")[0]
        shell = shell or self.bare_environment()["SHELL"]
        script, arguments = shlex.quote(str(self._script(job))), submitted.options.get("F", "")
        if Path(shell).name in _BOURNE:
            # A login shell's files may set PATH; the cluster's commands stay in it, as a site would see to. Without
            # being asked for, nothing of the files of whoever runs the tests gets into the jobs.
            bin_ = shlex.quote(str(self.directory / "bin"))
            login = f'umask {submitted.options.get("umask", "077")}; PATH={bin_}:$PATH; export PATH; "$0" "$@"'
            options = f"{'-l ' if self.settings.extra.get('login_shell') else ''}-c {shlex.quote(login)}"
        else:
            options = "-c"
        return _LEADER.format(shell=shlex.quote(shell), options=options, script=script, arguments=arguments)

    def environment(self, job: Job) -> Mapping[str, str]:
        """See `Personality.environment`."""
        return {
            "ENVIRONMENT": "BATCH",
            "PBS_ENVIRONMENT": "PBS_BATCH",
            "PBS_JOBCOOKIE": f"{job.number:032X}",
            "PBS_JOBID": job.native_id,
            "PBS_JOBNAME": job.name,
            "PBS_MOMPORT": "15003",
            "PBS_NODEFILE": str(self.directory / "aux" / job.native_id),
            "PBS_NODENUM": "0",
            "PBS_QUEUE": job.queue,
            "PBS_TASKNUM": "1",
        }

    def id_variable(self, job: Job) -> tuple[str, str]:
        """See `Personality.id_variable`. Another cluster may have a job of that id."""
        return "PBS_NODEFILE", str(self.directory / "aux" / job.native_id)

    # ---- A job's output

    def ended(self, job: Job) -> None:
        """See `Personality.ended`: the output is delivered, what was made for the job vanishes."""
        if not job.runs or job.script is None:
            return
        submitted = self.submitted(job)
        if job.cause is Cause.TIMEOUT and job.start is not None and job.request.walltime is not None:
            scale = self.settings.walltime_scale or 1
            used = max(int((self.model.now() - job.start) / scale), int(job.request.walltime))
            text = f"=>> PBS: job killed: walltime {used} exceeded limit {int(job.request.walltime)}\n"
            with suppress(OSError), self.spooled(job)[1].open("a") as errors:
                errors.write(text)
        joined = submitted.options.get("j", "n")
        for path, letter in zip(self.spooled(job), "oe", strict=True):
            if (joined == "oe" and letter == "e") or (joined == "eo" and letter == "o"):
                path.unlink(missing_ok=True)
            else:
                self._deliver(job, submitted, path, letter)
        for path in (self._script(job), self.directory / "aux" / job.native_id):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.directory / "tmp" / job.native_id, ignore_errors=True)
        if job.native_id in self.purged:
            self.model.forget(job)

    def _deliver(self, job: Job, submitted: Submitted, spooled: Path, letter: str) -> None:
        target = Path(self.output_path(job, letter))
        kept = submitted.options.get("k", "n")
        if letter in kept and "d" not in kept:
            target = Path(self.bare_environment()["HOME"], target.name)
        if target.is_dir():
            target /= spooled.name
        try:
            if target.is_file() or not target.exists():
                target.unlink(missing_ok=True)
                shutil.move(spooled, target)
            else:
                with target.open("wb") as sink:  # /dev/null and the like
                    sink.write(spooled.read_bytes())
                spooled.unlink()
        except OSError:
            with suppress(OSError):
                shutil.move(spooled, self.directory / "undelivered" / spooled.name)

    def output_path(self, job: Job, letter: str) -> str:
        """Where a job's output (`o`) or its errors (`e`) go to."""
        submitted = self.submitted(job)
        number = job.native_id.partition(".")[0].partition("[")[0]
        index = "" if job.index is None else f"{self.element_separator}{job.index}"
        name = job.name if job.index is None or self.element_separator == "." else job.name.rpartition("-")[0]
        given = submitted.options.get(letter)
        path = given or f"{name}.{letter}{number}{index}"
        path = path.replace("^array_index^", str(job.index)) if job.index is not None else path
        host, colon, rest = path.partition(":")
        path = rest if colon and "/" not in host else path
        return os.path.normpath(os.path.join(submitted.directory, path))  # noqa: PTH118 - a Path would change the text
