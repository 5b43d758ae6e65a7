"""Schedulers that run a job before their submit command returns: nothing but what a real shell makes of the script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

from psij_like import Job, JobExecutor, JobExecutorConfig, JobStatus
from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor, BatchSchedulerExecutorConfig

# sbatch passes the environment on if asked for; qsub does not.
_SBATCH = """\
#!/bin/sh
for script; do :; done
if grep -q '^#SBATCH --export=NONE' "$script"; then bare='-i'; fi
env ${bare-} PATH=/usr/bin:/bin HOME="$HOME" SLURM_JOB_ID=$$ "$script" </dev/null >/dev/null 2>&1
echo $$
"""
_QSUB = """\
#!/bin/sh
for script; do :; done
env -i PATH=/usr/bin:/bin HOME="$HOME" {variable}=$${tail} "$script" </dev/null >/dev/null 2>&1
echo $${tail}
"""
_BY_STDIN = """\
#!/bin/sh
LSB_JOBID=$$; export LSB_JOBID
/bin/bash >/dev/null 2>&1
echo "Job <$LSB_JOBID> is submitted to queue <normal>."
"""
_BY_JOBSPEC = f"""\
#!{sys.executable} -IS
import json, os, subprocess, sys
with open(sys.argv[-1]) as file:
    spec = json.load(file)
environment = dict(spec["attributes"]["system"]["environment"], FLUX_JOB_ID="f2qiSvdgb", HOME=os.environ["HOME"])
quiet = subprocess.DEVNULL
subprocess.run(spec["tasks"][0]["command"], env=environment, stdin=quiet, stdout=quiet, stderr=quiet)
print("f2qiSvdgb")
"""
COMMANDS = {
    "slurm": ("sbatch", _SBATCH),
    "pbs": ("qsub", _QSUB.format(variable="PBS_JOBID", tail=".here")),
    "pbs_classic": ("qsub", _QSUB.format(variable="PBS_JOBID", tail=".here")),
    "cobalt": ("qsub", _QSUB.format(variable="COBALT_JOBID", tail="")),
    "grid_engine": ("qsub", _QSUB.format(variable="JOB_ID", tail="")),
    "plain": ("qsub", _QSUB.format(variable="JOB_ID", tail="")),
    "lsf": ("bsub", _BY_STDIN),
    "flux": ("flux", _BY_JOBSPEC),
}
"""The submit command of each executor: its name, and the program."""


class Plain(BatchSchedulerExecutor):
    """A plug-in in the style of the PSI/J tutorial."""

    _NAME_ = "plain"

    def generate_submit_script(self, job: Job, context: dict[str, Any], submit_file: IO[str]) -> None:
        """A script that runs the launch command."""
        submit_file.write("#!/bin/bash\n" + " ".join(context["psij"]["launch_command"]) + "\n")

    def get_submit_command(self, job: Job, submit_file_path: Path) -> list[str]:
        """The submit command."""
        return ["qsub", str(submit_file_path)]

    def job_id_from_submit_output(self, out: str) -> str:
        """The id."""
        return out.strip()

    def get_cancel_command(self, native_id: str) -> list[str]:
        """No job lives long enough."""
        return ["false"]

    def process_cancel_command_output(self, exit_code: int, out: str) -> None:
        """Nothing is cancelled."""

    def get_status_command(self, native_ids: list[str]) -> list[str]:
        """Nobody knows of any job."""
        return ["true"]

    def parse_status_output(self, exit_code: int, out: str) -> dict[str, JobStatus]:
        """Nobody knows of any job."""
        return {}


class AtOnce:
    """An executor of each kind, and what must be in PATH for it."""

    def __init__(self, place: Path) -> None:
        self.paths: dict[str, str] = {"local": ""}
        self.executors: dict[str, JobExecutor] = {}
        work = place / "psij"
        self.executors["local"] = JobExecutor.get_instance("local", config=JobExecutorConfig(work_directory=work))
        quiet: dict[str, Any] = {"work_directory": work, "doorbell": False, "initial_queue_polling_delay": 600}
        makers: dict[str, Callable[..., JobExecutor]] = {"plain": Plain}
        for name, (command, program) in COMMANDS.items():
            commands = place / "commands" / name
            commands.mkdir(parents=True)
            for file, text in ((command, program), ("lsid", "#!/bin/sh\necho IBM Spectrum LSF\n")):
                (commands / file).write_text(text)
                (commands / file).chmod(0o755)
            self.paths[name] = f"{commands}:"
            made = makers.get(name, partial(JobExecutor.get_instance, name))
            self.executors[name] = made(config=BatchSchedulerExecutorConfig(**quiet))
