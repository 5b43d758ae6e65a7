"""Twenty small jobs in one allocation: Flux runs inside a job of SCHEDULER, and they run in Flux.

python pilot.py SCHEDULER NODES LAUNCHER    (for example: slurm 2 srun; or: local 1 single)
"""

import sys
from datetime import timedelta

from psij_like import Job, JobAttributes, JobExecutor, JobSpec, ResourceSpecV1, wait_all
from psij_like.integrations.flux_pilot import FluxPilot

scheduler, nodes, launcher = sys.argv[1:]
outer = JobExecutor.get_instance(scheduler)
resources = ResourceSpecV1(node_count=int(nodes), processes_per_node=1)
attributes = JobAttributes(timedelta(minutes=10), custom_attributes={"srun.mpi": "pmi2"})
with FluxPilot(outer, resources, attributes, launcher) as pilot:
    jobs = [Job(JobSpec("/bin/sh", ["-c", f"exit {n % 2}"])) for n in range(20)]
    pilot.executor.submit_bulk(jobs)
    wait_all(jobs)
    print([job.status.exit_code for job in jobs])
print("the pilot:", pilot.job.status)
