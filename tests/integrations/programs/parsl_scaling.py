"""How many blocks there are when there is much to do, and when there is nothing."""

import parsl
from parsl_runs import block_states, running, tell, until, workers


@parsl.python_app
def work(seconds):
    """Takes its time."""
    import os
    import time

    time.sleep(seconds)
    return os.environ["PSIJ_JOB_ID"]


executor = workers(init_blocks=0, max_blocks=2)
with running(executor, strategy="htex_auto_scale", max_idletime=1):
    before = block_states(executor)
    jobs = {task.result() for task in [work(1.5) for _ in range(4)]}
    until(lambda: block_states(executor) == ["SCALED_IN", "SCALED_IN"])
    until(lambda: not executor.provider.executor.list())
    jobs_ends = sorted(job.status.state.name for job in executor.provider.resources.values())
tell({"before": before, "jobs": len(jobs), "after": jobs_ends})
