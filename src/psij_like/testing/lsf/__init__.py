"""LSF in two flavours: IBM's Spectrum LSF 10.1 (by its manual pages), and volclava 2.2 (as recorded).

Settings of its own: `flavour` ("ibm", the default, or "volclava"), `cluster_name` ("sim"). volclava has fewer options
(neither -gpu, -env, -cwd nor units in limits), fewer fields in `bjobs -o`, and tells no causes of ends. Only options
that are simulated, or that change nothing which can be seen here, are known; others are refused, or taken for shorter
ones with a value, as the real bsub does. Memory limits are shown, not enforced.
"""

from __future__ import annotations

import dataclasses
import platform
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from psij_like.testing.jobs import Job
from psij_like.testing.lsf import control, details, listing, submission, words
from psij_like.testing.model import Model
from psij_like.testing.personality import Answer, Call, Personality
from psij_like.testing.settings import Settings

_DOWN = "batch system daemon not responding ... still trying\n"
_LIM_DOWN = "lsid: ls_getclustername: LIM is down; try later\n"
_FAILED = "Contacting batch daemon: Communication timeout\n"


class LsfPersonality(Personality):
    """See the module."""

    name = "lsf"
    command_names = ("bhist", "bhosts", "bjobs", "bkill", "bqueues", "bresume", "bstop", "bsub", "lsid")
    variable = "LSF_ENVDIR"
    kill: ClassVar[tuple[tuple[int, bool], ...]] = ((signal.SIGINT, True), (signal.SIGTERM, True))
    kill_at_limit: ClassVar[tuple[tuple[int, bool], ...]] = ((signal.SIGUSR2, True),)
    pid_variable = "LS_JOBPID"

    @classmethod
    def check(cls, settings: Settings) -> None:
        """See `Personality.check`."""
        unknown = set(settings.extra) - {"flavour", "cluster_name"}
        if unknown:
            raise ValueError(f"{cls.name} has no setting {', '.join(sorted(unknown))}")
        flavour = settings.extra.get("flavour", words.IBM)
        if flavour not in (words.IBM, words.VOLCLAVA):
            raise ValueError(f"flavour: {flavour!r} is neither {words.IBM!r} nor {words.VOLCLAVA!r}")

    def __init__(self, model: Model, settings: Settings, directory: Path) -> None:
        queues = settings.queues or {"normal": None, "short": 300}
        super().__init__(model, dataclasses.replace(settings, queues=queues), directory)
        self.flavour = str(settings.extra.get("flavour", words.IBM))
        self.cluster_name = str(settings.extra.get("cluster_name", "sim"))
        self.host = platform.node().partition(".")[0] or "localhost"
        self.admin = "lsfadmin" if self.flavour == words.IBM else "volclava"
        bare = self.bare_environment()
        self.user_name, self.home = bare["USER"], bare["HOME"]

    def commands(self) -> Mapping[str, Callable[[Call], Answer]]:
        """See `Personality.commands`."""
        work: dict[str, Callable[[LsfPersonality, Call], Answer]] = {
            "bhist": details.bhist,
            "bhosts": control.bhosts,
            "bjobs": listing.bjobs,
            "bkill": control.bkill,
            "bqueues": control.bqueues,
            "bresume": control.bresume,
            "bstop": control.bstop,
            "bsub": submission.bsub,
            "lsid": control.lsid,
        }

        def bound(act: Callable[[LsfPersonality, Call], Answer]) -> Callable[[Call], Answer]:
            return lambda call: act(self, call)

        return {name: bound(act) for name, act in work.items()}

    @classmethod
    def variable_value(cls, directory: Path) -> str:
        """See `Personality.variable_value`."""
        return str(directory / "conf")

    def prepare(self) -> None:
        """See `Personality.prepare`."""
        (self.directory / "lsbatch").mkdir()
        (self.directory / "conf").mkdir()
        text = f"# A simulated LSF.\nLSF_CLUSTER_NAME={self.cluster_name}\n"
        (self.directory / "conf" / "lsf.conf").write_text(text)

    # ---- Jobs

    def find(self, text: str) -> list[Job]:
        """The jobs that an id means: `7`, `7[3]` or `7[1-3]`."""
        match = re.fullmatch(r"(\d+)\[([^\]]*)\]", text)
        if match is None:
            return self.model.find(text)
        try:
            wanted = [f"{match[1]}[{index}]" for index in words.indices(match[2])]
        except ValueError:
            return []
        return [job for native_id in wanted for job in self.model.find(native_id)]

    def file_of(self, job: Job) -> Path:
        """The beginning of the names of a job's files."""
        return self.directory / "lsbatch" / f"{int(job.submitted)}.{job.native_id}"

    def shown(self, directory: str) -> str:
        """A directory as LSF writes it."""
        inside = directory == self.home or directory.startswith(f"{self.home}/")
        return f"$HOME{directory[len(self.home) :]}" if inside else directory

    def starting(self, job: Job) -> None:
        """See `Personality.starting`."""
        if self.flavour == words.IBM:
            slots = zip(job.nodes, job.slots_on, strict=True)
            lines = "".join(f"{name}\n" * count for name, count in slots)
            Path(f"{self.file_of(job)}.hostfile").write_text(lines)
        if job.script is not None:
            # A second run is to find the user's text, not the job file made of it.
            job.options = {"text": job.script.text, **job.options}
            job.script = submission.prepared(self, job, job.options["text"])

    def ended(self, job: Job) -> None:
        """See `Personality.ended`."""
        details.write_report(self, job)

    def never_ran(self, kind: str, job: Job) -> bool | None:
        """See `Personality.never_ran`. volclava does not take it for one that has started."""
        return None if kind == "started" and self.flavour == words.VOLCLAVA else super().never_ran(kind, job)

    def environment(self, job: Job) -> Mapping[str, str]:
        """See `Personality.environment`."""
        hosts = [(name, count) for name, count in zip(job.nodes, job.slots_on, strict=True)]
        base = str(self.file_of(job))
        variables = {
            "LSB_ACCT_FILE": f"{base}.acct",
            "LSB_CHKFILENAME": base,
            "LSB_EXIT_PRE_ABORT": "99",
            "LSB_HOSTS": " ".join(" ".join([name] * count) for name, count in hosts),
            "LSB_JOBEXIT_STAT": "0",
            "LSB_JOBFILENAME": base,
            "LSB_JOBID": str(job.number),
            "LSB_JOBINDEX": str(job.index or 0),
            "LSB_JOBNAME": job.name,
            "LSB_MCPU_HOSTS": "".join(f"{name} {count} " for name, count in hosts),
            "LSB_QUEUE": job.queue,
            "LSB_SUB_HOST": self.host,
            "LSB_TRAPSIGS": "trap # 15 10 12 2 1",
            "LSB_UNIXGROUP": self.user_name,
            "LSF_BINDIR": str(self.directory / "bin"),
            "LSF_ENVDIR": self.variable_value(self.directory),
            "LS_EXEC_T": "START",
            "LS_SUBCWD": job.options.get("submit-directory", "/"),
        }
        for name, option in (("LSB_OUTPUTFILE", "o"), ("LSB_ERRORFILE", "e")):
            if option in job.options:
                variables[name] = job.options[option]
        if self.flavour == words.VOLCLAVA:
            variables |= {"LSFUSER": self.user_name, "VOLCLAVA_VERSION": "2.2", "XLSF_UIDDIR": str(self.directory)}
        else:
            variables |= {
                "LSB_BATCH_JID": job.native_id,
                "LSB_DJOB_HOSTFILE": f"{base}.hostfile",
                "LSB_DJOB_NUMPROC": str(sum(job.slots_on)),
                "LSB_MAX_NUM_PROCESSORS": str(sum(job.slots_on)),
                "LSB_PROJECT_NAME": job.options.get("P", "default"),
            }
            if match := re.search(r"num=(\d+)", job.options.get("gpu", "")):
                variables["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, range(int(match[1]))))
        return variables

    def id_variable(self, job: Job) -> tuple[str, str]:
        """See `Personality.id_variable`."""
        return "LSB_JOBFILENAME", str(self.file_of(job))

    # ---- Trouble

    def unreachable(self, call: Call) -> Answer | None:
        """See `Personality.unreachable`. The real commands go on trying; these give up."""
        return Answer(255, "", _LIM_DOWN if call.command == "lsid" else _DOWN)

    def failure(self, call: Call) -> Answer:
        """See `Personality.failure`."""
        return Answer(255, "", _LIM_DOWN if call.command == "lsid" else _FAILED)
