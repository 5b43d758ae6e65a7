"""Slurm, as recorded on 22.05.8, 24.11.5 and 26.05: the setting `version` is "22.05" (the default), "24.11" or "26.05".

Only options that are simulated, or that change nothing which can be seen here, are known; others are refused as the
real commands refuse what they don't know. Settings of its own: `cluster_name` ("sim"). `srun` starts processes inside
jobs only, on this machine; an MPI that starts its daemons on the other nodes can't, as those are only names.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from psij_like.testing.jobs import Job
from psij_like.testing.model import Model
from psij_like.testing.personality import Answer, Call, Personality
from psij_like.testing.settings import Settings
from psij_like.testing.slurm import accounting, control, listing, steps, submission, words

RELEASES = {"22.05": "22.05.8", "24.11": "24.11.5", "26.05": "26.05.5"}
_UNREACHABLE = "Unable to contact slurm controller (connect failure)"
_TIMED_OUT = "Socket timed out on send/recv operation"


class SlurmPersonality(Personality):
    """See the module."""

    name = "slurm"
    command_names = ("sacct", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
    variable = "SLURM_CONF"
    pid_variable = "SLURM_TASK_PID"

    @classmethod
    def check(cls, settings: Settings) -> None:
        """See `Personality.check`."""
        if settings.version not in ("", *RELEASES):
            raise ValueError(f"version: {settings.version!r} is none of {', '.join(RELEASES)}")
        unknown = set(settings.extra) - {"cluster_name"}
        if unknown:
            raise ValueError(f"{cls.name} has no setting {', '.join(sorted(unknown))}")

    def __init__(self, model: Model, settings: Settings, directory: Path) -> None:
        queues = settings.queues or {"debug": None, "short": 600}
        super().__init__(model, dataclasses.replace(settings, queues=queues), directory)
        self.version = settings.version or "22.05"
        self.cluster_name = str(settings.extra.get("cluster_name", "sim"))
        self.raw: dict[str, Job] = {}  # elements of arrays by the numbers that they got when they started

    def commands(self) -> Mapping[str, Callable[[Call], Answer]]:
        """See `Personality.commands`."""
        work: dict[str, Callable[[SlurmPersonality, Call], Answer]] = {
            "sacct": accounting.sacct,
            "sbatch": submission.sbatch,
            "scancel": control.scancel,
            "scontrol": control.scontrol,
            "sinfo": control.sinfo,
            "squeue": listing.squeue,
            "srun": steps.srun,
        }

        def bound(act: Callable[[SlurmPersonality, Call], Answer]) -> Callable[[Call], Answer]:
            def answer(call: Call) -> Answer:
                if list(call.argv) in (["--version"], ["-V"]):
                    return Answer(0, f"slurm-wlm {RELEASES[self.version]}\n")
                return act(self, call)

            return answer

        return {name: bound(act) for name, act in work.items()}

    def prepare(self) -> None:
        """See `Personality.prepare`."""
        queues = "".join(f"PartitionName={name}\n" for name in self.settings.queues)
        text = f"# A simulated Slurm.\nClusterName={self.cluster_name}\n{queues}"
        (self.directory / "slurm.conf").write_text(text)

    # ---- Jobs

    def find(self, text: str) -> list[Job]:
        """The jobs that an id means: `7`, `7_3`, `7_[1-3]`, or the number that an element got for itself."""
        array, _, indices = text.partition("_[")
        if indices:
            try:
                wanted = [f"{array}_{index}" for index in words.indices(indices.rstrip("]"))]
            except ValueError:
                return []
            return [job for native_id in wanted for job in self.model.find(native_id)]
        return self.model.find(text) or ([self.raw[text]] if text in self.raw else [])

    def starting(self, job: Job) -> None:
        """See `Personality.starting`. All elements of an array but the last to start get numbers of their own."""
        if job.array is not None and job.runs == 1 and job.array.pending > 0:
            job.number = self.model.next_number()
            self.raw[str(job.number)] = job
        if job.script is not None:
            paths = {name: submission.file_name(job, name) for name in ("stdin", "stdout", "stderr")}
            job.script = dataclasses.replace(
                job.script,
                stdin=paths["stdin"] or "/dev/null",
                stdout=paths["stdout"] or "/dev/null",
                stderr=paths["stderr"],
            )

    def environment(self, job: Job) -> Mapping[str, str]:
        """See `Personality.environment`."""
        return steps.job_environment(self, job)

    def id_variable(self, job: Job) -> tuple[str, str]:
        """See `Personality.id_variable`."""
        return "SLURM_JOB_ID", str(job.number)

    def lost_directory_text(self, job: Job, problem: str) -> str:
        """See `Personality.lost_directory_text`."""
        directory = job.script.directory if job.script else ""
        return f"slurmstepd: error: couldn't chdir to `{directory}': {problem}: going to /tmp instead\n"

    # ---- Trouble

    def unreachable(self, call: Call) -> Answer | None:
        """See `Personality.unreachable`. Accounting has a daemon of its own."""
        if call.command == "sacct" or list(call.argv[:2]) in (["show", "hostnames"], ["show", "hostname"]):
            return None
        return self._trouble(call, _UNREACHABLE)

    def failure(self, call: Call) -> Answer:
        """See `Personality.failure`."""
        return self._trouble(call, _TIMED_OUT)

    def _trouble(self, call: Call, problem: str) -> Answer:
        ids = [word for word in call.argv if word[:1].isdigit()]
        if call.command == "sbatch":
            return Answer(1, "", f"sbatch: error: Batch job submission failed: {problem}\n")
        if call.command == "scancel":
            lines = [f"scancel: error: Kill job error on job id {native_id}: {problem}\n" for native_id in ids]
            return Answer(8, "", "".join(lines) or f"slurm_load_jobs error: {problem}\n")
        if call.command == "srun":
            job = call.environment.get("SLURM_JOB_ID", "")
            return Answer(1, "", f"srun: error: Unable to confirm allocation for job {job}: {problem}\n")
        what = {"sinfo": "slurm_load_partitions", "sacct": "sacct: error: slurm_persist_conn_open"}
        return Answer(1, "", f"{what.get(call.command, 'slurm_load_jobs error')}: {problem}\n")

    @property
    def user_name(self) -> str:
        """The name of the user whom all jobs belong to."""
        return self.bare_environment().get("USER", str(os.getuid()))
