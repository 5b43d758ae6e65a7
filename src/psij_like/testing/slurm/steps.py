"""What a job finds in its environment, and `srun` inside it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Job, State
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call, Launch
from psij_like.testing.slurm import words

if TYPE_CHECKING:
    from psij_like.testing.slurm import SlurmPersonality

_OPTIONS = Options(
    [
        Option("ntasks", "n"),
        Option("nodes", "N"),
        Option("ntasks-per-node"),
        Option("cpus-per-task", "c"),
        Option("label", "l", "no"),
        Option("overlap", "", "no"),
        Option("exact", "", "no"),
        Option("exclusive", "", "maybe"),
        Option("mpi"),
        Option("export"),
        Option("unbuffered", "u", "no"),
        Option("kill-on-bad-exit", "K", "maybe"),
        Option("job-name", "J"),
    ]
)
# What a step keeps of its environment if nothing is to be exported.
_NOT_THE_USERS = ("SLURM", "HOME=", "LOGNAME=", "PATH", "SHELL", "USER", "TMPDIR")


def job_environment(slurm: SlurmPersonality, job: Job) -> Mapping[str, str]:
    """The variables of the job itself, as recorded."""
    user_name = slurm.user_name
    nodes = words.node_list(job.nodes)
    variables = {
        "ENVIRONMENT": "BATCH",
        "HOSTNAME": job.nodes[0],
        "SLURMD_NODENAME": job.nodes[0],
        "SLURM_CLUSTER_NAME": slurm.cluster_name,
        "SLURM_CONF": slurm.variable_value(slurm.directory),
        "SLURM_CPUS_ON_NODE": str(job.slots_on[0]),
        "SLURM_GTIDS": "0",
        "SLURM_JOBID": str(job.number),
        "SLURM_JOB_ACCOUNT": job.options.get("account", user_name),
        "SLURM_JOB_CPUS_PER_NODE": words.repeated(job.slots_on),
        "SLURM_JOB_GID": str(os.getgid()),
        "SLURM_JOB_ID": str(job.number),
        "SLURM_JOB_NAME": job.name,
        "SLURM_JOB_NODELIST": nodes,
        "SLURM_JOB_NUM_NODES": str(len(job.nodes)),
        "SLURM_JOB_PARTITION": job.queue,
        "SLURM_JOB_QOS": "normal",
        "SLURM_JOB_UID": str(job.user_id),
        "SLURM_JOB_USER": user_name,
        "SLURM_LOCALID": "0",
        "SLURM_NNODES": str(len(job.nodes)),
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": nodes,
        "SLURM_NODE_ALIASES": "(null)",
        "SLURM_PRIO_PROCESS": "0",
        "SLURM_PROCID": "0",
        "SLURM_SUBMIT_DIR": job.options.get("submit-directory", "/"),
        "SLURM_SUBMIT_HOST": socket.gethostname(),
        "SLURM_TASKS_PER_NODE": words.repeated(job.tasks_on),
        "SLURM_TOPOLOGY_ADDR": job.nodes[0],
        "SLURM_TOPOLOGY_ADDR_PATTERN": "node",
        "SLURM_WORKING_CLUSTER": f"{slurm.cluster_name}:127.0.0.1:6817:9728:109",
    }
    if {"ntasks", "ntasks-per-node"} & set(job.options):
        variables["SLURM_NTASKS"] = variables["SLURM_NPROCS"] = str(job.request.tasks)
    if job.request.tasks_per_node:
        variables["SLURM_NTASKS_PER_NODE"] = str(job.request.tasks_per_node)
    if "cpus-per-task" in job.options:
        variables["SLURM_CPUS_PER_TASK"] = str(job.request.slots_per_task)
    if job.runs > 1:
        variables["SLURM_RESTART_COUNT"] = str(job.runs - 1)
    if job.array is not None:
        indices = [member.index or 0 for member in job.array.members]
        step = indices[1] - indices[0] if len(indices) > 1 else 1
        variables |= {
            "SLURM_ARRAY_JOB_ID": job.array.native_id,
            "SLURM_ARRAY_TASK_ID": str(job.index),
            "SLURM_ARRAY_TASK_COUNT": str(len(indices)),
            "SLURM_ARRAY_TASK_MIN": str(min(indices)),
            "SLURM_ARRAY_TASK_MAX": str(max(indices)),
            "SLURM_ARRAY_TASK_STEP": str(step),
        }
    return variables


def srun(slurm: SlurmPersonality, call: Call) -> Answer:
    """Start processes inside a job; nothing outside of one, which the simulation does not have."""
    try:
        given, program = _OPTIONS.parse(call.argv)
    except OptionError as error:
        return Answer(255, "", f'srun: {error}\nTry "srun --help" for more information\n')
    options = dict(given)
    for name in ("ntasks", "ntasks-per-node", "cpus-per-task", "nodes"):
        if name in options and not (options[name].isdigit() and int(options[name])):
            return Answer(1, "", f'srun: error: Invalid numeric value "{options[name]}" for --{name}.\n')
    if not program:
        return Answer(1, "", "srun: fatal: No command given to execute.\n")
    native_id = call.environment.get("SLURM_JOB_ID", "")
    job = next(iter(slurm.find(native_id)), None)
    if job is not None and str(job.number) != native_id:  # an array's own number, which is that of its last element
        job = next((one for one in slurm.find(native_id) if str(one.number) == native_id and one.nodes), job)
    if not native_id:
        return Answer(1, "", "srun: error: the simulated srun works inside jobs only\n")
    if job is None or job.state in (State.PENDING, State.ENDED):
        text = f"Unable to confirm allocation for job {native_id}: Invalid job id specified"
        return Answer(1, "", f"srun: error: {text}\nsrun: Check SLURM_JOB_ID environment variable. {native_id}\n")
    nodes = list(job.nodes[: int(options.get("nodes", len(job.nodes)))])
    per_node = int(options.get("ntasks-per-node", 0))
    implied = len(nodes) * per_node if per_node else job.request.tasks
    tasks = int(options.get("ntasks", call.environment.get("SLURM_NTASKS", "") or implied))
    slots = sum(job.slots_on)
    if int(options.get("nodes", 1)) > len(job.nodes) or tasks * int(options.get("cpus-per-task", 1)) > slots:
        text = "Unable to create step for job {}: More processors requested than permitted"
        return Answer(1, "", f"srun: error: {text.format(native_id)}\n")
    # In blocks, as the job's tasks are.
    block = per_node or -(-tasks // len(nodes))
    ranks = [
        {
            "SLURM_PROCID": str(rank),
            "SLURM_NTASKS": str(tasks),
            "SLURM_NPROCS": str(tasks),
            "SLURM_NODEID": str(min(rank // block, len(nodes) - 1)),
            "SLURM_LOCALID": str(rank % block),
            "SLURM_STEP_ID": str(len(job.steps)),
            "SLURM_STEP_NUM_TASKS": str(tasks),
            "SLURM_STEP_NODELIST": words.node_list(nodes),
            "SLURMD_NODENAME": nodes[min(rank // block, len(nodes) - 1)],
        }
        for rank in range(tasks)
    ]
    names = [rank["SLURMD_NODENAME"] for rank in ranks]
    nothing = options.get("export", call.environment.get("SLURM_EXPORT_ENV", "")) == "NONE"
    keep = _NOT_THE_USERS if nothing else None
    missing = "slurmstepd: error: execve(): {program}: {problem}"
    return Answer(launch=Launch(program, ranks, names, "label" in options, keep, job.native_id, missing))
