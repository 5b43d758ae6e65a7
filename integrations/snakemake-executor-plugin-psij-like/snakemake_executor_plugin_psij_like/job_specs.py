"""What a job of a workflow is to psij-like."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from psij_like import JobAttributes, JobSpec, ResourceSpecV1

_MB = 2**20  # as Snakemake's plug-in for Slurm has it: rather too much than too little
LOGS = Path(".snakemake", "psij-like")


def job_spec(job: Any, command: str, executor: str) -> JobSpec:
    """The specification of a job that runs a command line for a job of Snakemake's.

    Args:
        job: Snakemake's job, or group of jobs.
        command: the command line.
        executor: the name of the executor, for its own options.

    Raises:
        InvalidJobException: the job asks for what makes no sense.
        TypeError: it asks in the wrong type.
    """
    name = job.groupid if job.is_group() else job.name  # the same for all of a rule: they can be one array
    output = (LOGS / f"{name}-{job.jobid}-{job.attempt}").absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    return JobSpec(
        "/bin/bash",
        ["-c", command],
        directory=Path.cwd(),
        name=f"snakemake-{name}",
        stdout_path=f"{output}.out",
        stderr_path=f"{output}.err",
        resources=_resources(job),
        attributes=_attributes(job.resources, executor),
    )


def _resources(job: Any) -> ResourceSpecV1:
    wanted = job.resources
    nodes, tasks, gpus = (_number(wanted, name) for name in ("nodes", "tasks", "gpu"))
    resources = ResourceSpecV1(node_count=nodes, process_count=tasks, cpu_cores_per_process=max(1, job.threads))
    processes = resources.computed_process_count
    if gpus is not None:
        resources.gpu_cores_per_process = -(-gpus // processes)
    if (memory := _number(wanted, "mem_mb")) is not None:
        resources.memory = memory * _MB
    elif (each := _number(wanted, "mem_mb_per_cpu")) is not None:
        resources.memory = each * max(1, job.threads) * processes * _MB
    return resources


def _attributes(wanted: Mapping[str, Any], executor: str) -> JobAttributes:
    runtime = _number(wanted, "runtime")
    own = {name: wanted.get(name) for name in ("qos", "constraint")}
    return JobAttributes(
        timedelta(minutes=10 if runtime is None else runtime),
        wanted.get("queue") or wanted.get("slurm_partition"),
        wanted.get("account") or wanted.get("slurm_account"),
        wanted.get("reservation"),
        {f"{executor}.{name}": value for name, value in own.items() if value},
    )


def _number(wanted: Mapping[str, Any], name: str) -> int | None:
    value = wanted.get(name)
    return None if value is None else int(value)
