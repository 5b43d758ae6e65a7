"""How costs grow with the number of jobs, and whether memory comes back: `python -m benchmarks.scale [--write FILE]`.

Jobs that wait are followed on a simulated Slurm, whose list has a line for each; jobs of `local` go through one
process. Each line is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

START, END = "<!-- scale -->", "<!-- end of scale -->"
_COLUMNS = (
    "followed jobs",
    "submitted a second",
    "memory a job",
    "memory",
    "CPU of a poll",
    "CPU at rest",
)


def megabytes() -> float:
    """What this process has in memory, in MB."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 1e6


def followed(count: int) -> dict[str, float]:
    """So many jobs that wait, submitted in bulk and followed for half a minute."""
    from psij_like import Job, JobAttributes, JobExecutor, JobSpec
    from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor
    from psij_like.executors.batch.slurm import SlurmExecutorConfig
    from psij_like.testing import SimulatedCluster

    with SimulatedCluster("slurm", nodes=1, slots=1):
        config = SlurmExecutorConfig(work_directory=tempfile.mkdtemp(prefix="benchmark-"))
        executor = JobExecutor.get_instance("slurm", config=config)
        if not isinstance(executor, BatchSchedulerExecutor):
            raise TypeError(executor)
        held = {"slurm.hold": True}
        executor.submit(Job(JobSpec("/bin/true", attributes=JobAttributes(custom_attributes=dict(held)))))
        time.sleep(3)
        before = megabytes()
        jobs = [Job(JobSpec("/bin/true", attributes=JobAttributes(custom_attributes=dict(held)))) for _ in range(count)]
        begun = time.perf_counter()
        executor.submit_bulk(jobs)
        rate = count / (time.perf_counter() - begun)
        while any(job.status.reason != "held" for job in jobs):
            time.sleep(0.5)
        size = megabytes() - before
        polls, cpu = executor.commands_run["squeue"], time.process_time()
        while executor.commands_run["squeue"] < polls + 3:
            time.sleep(0.1)
        time.sleep(1)
        poll = (time.process_time() - cpu) / 3
        cpu, begun = time.process_time(), time.perf_counter()
        time.sleep(60)
        idle = (time.process_time() - cpu) / (time.perf_counter() - begun)
        return {"rate": rate, "bytes": size * 1e6 / count, "megabytes": size, "poll": poll, "idle": idle}


def endured(count: int) -> dict[str, float]:
    """So many local jobs, a thousand at a time, none of which is kept: memory after a tenth, and after all."""
    from psij_like import Job, JobExecutor, JobExecutorConfig, JobSpec, wait_all

    config = JobExecutorConfig(work_directory=tempfile.mkdtemp(prefix="benchmark-"))
    executor = JobExecutor.get_instance("local", config=config)
    early, begun = 0.0, time.perf_counter()
    for done in range(0, count, 1000):
        if done == count // 10:
            early = megabytes()
        jobs = [Job(JobSpec("/bin/true")) for _ in range(1000)]
        executor.submit_bulk(jobs)
        if not wait_all(jobs) or any(job.status.exit_code != 0 for job in jobs):
            raise RuntimeError("a job did not end well")
    rate = count / (time.perf_counter() - begun)
    del jobs
    return {"early": early, "late": megabytes(), "rate": rate}


def measured(what: str, count: int) -> dict[str, float]:
    """One line, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "--one", what, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr[-2000:])
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Measure, print, and write the table where it is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.partition("\n")[0])
    parser.add_argument("--counts", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="jobs to follow")
    parser.add_argument("--endure", type=int, default=100_000, help="local jobs to run in one process")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        what, count = options.one
        print(json.dumps(followed(int(count)) if what == "followed" else endured(int(count))), flush=True)
        os._exit(0)
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for count in options.counts:
        found = measured("followed", count)
        cells = (f"{count:,}", f"{found['rate']:,.0f}", f"{found['bytes']:,.0f} bytes", f"{found['megabytes']:.0f} MB")
        lines.append(f"| {' | '.join(cells)} | {found['poll'] * 1e3:.0f} ms | {found['idle']:.2%} of a core |")
        print(lines[-1], flush=True)
    found = measured("endured", options.endure)
    lines += [
        "",
        f"{options.endure:,} jobs of `local` through one process, {found['rate']:,.0f} a second: "
        f"{found['early']:.1f} MB after a tenth of them, {found['late']:.1f} MB after all.",
    ]
    table = "\n".join(lines)
    print(table)
    if options.write:
        before, _, rest = options.write.read_text().partition(START)
        options.write.write_text(f"{before}{START}\n{table}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
