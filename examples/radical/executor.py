"""Jobs as tasks in a pilot of RADICAL-Pilot, one waiting in the queue for all of them: `python executor.py`."""

from datetime import timedelta

from psij_like import Job, JobExecutor, JobSpec
from psij_like.executors.rp import RPExecutorConfig

config = RPExecutorConfig(cores=2, runtime=timedelta(minutes=10))
with JobExecutor.get_instance("rp", url="local.localhost", config=config) as executor:
    jobs = [Job(JobSpec("/bin/sh", ["-c", f"exit {n}"])) for n in range(3)]
    executor.submit_bulk(jobs)
    for job in jobs:
        print(job.wait())
