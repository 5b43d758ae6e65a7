"""The compatibility path: `import psij` in processes of their own, as those who name the published binding do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

import psij_like
from psij_like import compat
from psij_like.cli.main import main

WHERE = f"{compat.path()}:{Path(psij_like.__file__).parents[1]}"


def run(program: str, directory: Path) -> str:
    """What a program prints, in whose process `psij` is found on the compatibility path."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={"PYTHONPATH": WHERE, "HOME": str(directory), "PATH": "/usr/bin:/bin"},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_the_command_prints_the_directory() -> None:
    assert CliRunner().invoke(main, ["compat-path"]).output == f"{compat.path()}\n"
    assert (compat.path() / "psij" / "__init__.py").exists()


def test_all_names_are_there_and_nothing_is_printed(tmp_path: Path) -> None:
    program = """
import psij
from psij import *
from psij import (
    InvalidJobException, Job, JobAttributes, JobExecutor, JobExecutorConfig, JobSpec, JobState, JobStatus,
    JobStatusCallback, Launcher, ResourceSpec, ResourceSpecV1, SubmitException, UnreachableStateException,
)
from psij.exceptions import InvalidJobException as same
from psij.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor, BatchSchedulerExecutorConfig
from psij.executors.batch.cobalt import CobaltExecutorConfig, CobaltJobExecutor
from psij.executors.batch.lsf import LsfExecutorConfig, LsfJobExecutor
from psij.executors.batch.pbs import PBSExecutorConfig, PBSJobExecutor
from psij.executors.batch.pbs_classic import PBSClassicJobExecutor
from psij.executors.batch.slurm import SlurmExecutorConfig, SlurmJobExecutor
from psij.executors.flux import FluxJobExecutor
from psij.executors.local import LocalJobExecutor
from psij.executors.rp import RPJobExecutor
from psij.job import Job as same_job
from psij.job_attributes import JobAttributes as same_attributes
from psij.job_executor import JobExecutor as same_executor
from psij.job_executor_config import JobExecutorConfig as same_config
from psij.job_launcher import Launcher as same_launcher
from psij.job_spec import JobSpec as same_spec
from psij.job_state import JobState as same_state
from psij.job_status import JobStatus as same_status
from psij.launchers.mpirun import MpirunLauncher
from psij.resource_spec import ResourceSpec, ResourceSpecV1
from psij.serialize import JSONSerializer, Serializer
from psij.staging import URI, StageIn, StageOut, StageOutFlags, StagingMode
import psij_like

assert psij.__version__ == psij_like.__version__
assert same is InvalidJobException is psij_like.InvalidJobException
assert (same_job, same_attributes, same_executor) == (Job, JobAttributes, JobExecutor)
assert (same_config, same_launcher, same_spec) == (JobExecutorConfig, Launcher, JobSpec)
assert (same_state, same_status) == (JobState, JobStatus)
assert "local" in JobExecutor.get_executor_names()
for executor in (JobExecutor.get_instance("local"), JobExecutor.get_instance("slurm"), LocalJobExecutor()):
    assert isinstance(executor, JobExecutor)
    assert not isinstance(Job(), JobExecutor)
try:
    import psij.no_such_module
except ModuleNotFoundError as error:
    assert "psij.no_such_module" in str(error), error
"""
    assert run(program, tmp_path) == ""


def test_jobs_as_radical_pilot_makes_them(tmp_path: Path) -> None:
    program = """
import datetime, pathlib, threading
import psij

told = []
heard = threading.Event()

def hear(job, status):
    told.append(status.state)
    if status.final:
        heard.set()

def work():
    executor = psij.JobExecutor.get_instance("local")
    executor.set_job_status_callback(hear)
    attributes = psij.JobAttributes()
    attributes.duration = datetime.timedelta(minutes=10)
    attributes.queue_name = ""
    attributes.project_name = ""
    attributes.reservation_id = None
    attributes.set_custom_attribute(name="slurm.qos", value="high")
    assert (attributes.queue_name, attributes.account) == (None, None)
    spec = psij.JobSpec()
    spec.attributes = attributes
    spec.executable = "/bin/sh"
    spec.arguments = ["-c", "echo $A; pwd"]
    spec.environment = {"A": "b"}
    spec.directory = f"{pathlib.Path.cwd()}/"
    spec.stdout_path = "out"
    spec.stderr_path = "err"
    spec.inherit_environment = True
    spec.resources = psij.ResourceSpecV1(node_count=None, process_count=8, exclusive_node_use=False)
    job = psij.Job(spec)
    job.of_the_users = job
    executor.submit(job)
    assert job.wait().state is psij.JobState.COMPLETED
    assert pathlib.Path("out").read_text() == f"b\\n{pathlib.Path.cwd()}\\n"
    job.cancel()
    assert heard.wait(30)

thread = threading.Thread(target=work)
thread.start()
thread.join()
assert told == [psij.JobState.QUEUED, psij.JobState.ACTIVE, psij.JobState.COMPLETED], told
"""
    assert run(program, tmp_path) == ""


def test_custom_attributes_may_be_called_anything(tmp_path: Path) -> None:
    program = """
import json, psij
from psij.serialize import JSONSerializer

spec = JSONSerializer()._to_spec({"executable": "/bin/true", "attributes": {"custom_attributes": {"exclusive": ""}}})
assert spec.attributes.custom_attributes == {"exclusive": ""}
spec.attributes.set_custom_attribute("slurm.qos", "high")
assert spec.attributes.get_custom_attribute("exclusive") == ""
assert JSONSerializer()._from_spec(spec)["attributes"]["custom_attributes"] == {"exclusive": "", "slurm.qos": "high"}
job = psij.Job(spec)
psij.JobExecutor.get_instance("local").submit(job)
assert job.wait().exit_code == 0
assert spec.attributes.custom_attributes == {"slurm.qos": "high"}
nobodys = psij.JobAttributes(custom_attributes={"no_such_scheduler_here.option": 1})
job = psij.Job(psij.JobSpec("/bin/true", attributes=nobodys))
psij.JobExecutor.get_instance("local").submit(job)
assert job.wait().exit_code == 0
try:
    psij.JobAttributes(custom_attributes={"a b.c": ""})
except psij.InvalidJobException as error:
    assert "custom attribute" in str(error)
else:
    raise SystemExit("a badly named attribute was taken")
"""
    assert run(program, tmp_path) == ""


def test_what_is_known_of_jobs_by_their_ids(tmp_path: Path) -> None:
    submits = """
import os, psij
script = "until [ -e go ]; do sleep 0.1; done; exit 3"
job = psij.Job(psij.JobSpec("/bin/sh", ["-c", script], name="waits", directory=os.getcwd()))
psij.JobExecutor.get_instance("local").submit(job)
print(job.native_id)
"""
    native_id = run(submits, tmp_path).strip()
    asks = f"""
import json, psij
executor = psij.JobExecutor.get_instance("local")
job = psij.Job()
job._native_id = {native_id!r}
found = executor.info([job])
facts = [[job.native_id, job.status.state.name, job.spec.name, job.current_info.wall_time] for job in found]
print(json.dumps(facts))
assert executor.info(job).native_id == executor.info({native_id!r}).native_id == {native_id!r}
"""
    ((known_id, state, name, wall_time),) = json.loads(run(asks, tmp_path))
    assert (known_id, state, name) == (native_id, "ACTIVE", "waits")
    assert 0 <= wall_time < 60
    (tmp_path / "go").touch()
    waits = f"""
import psij
job = psij.Job()
psij.JobExecutor.get_instance("local").attach(job, {native_id!r})
print(job.wait().exit_code)
"""
    assert run(waits, tmp_path) == "3\n"
    assert json.loads(run(asks, tmp_path))[0][1] == "FAILED"
