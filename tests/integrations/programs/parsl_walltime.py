"""Blocks that reach their walltime under a task, and one that follows: argument: seconds of walltime."""

import sys
from datetime import timedelta

import parsl
from parsl_runs import block_states, running, tell, until, workers


@parsl.python_app
def square(number, seconds=0):
    """Takes its time."""
    import time

    time.sleep(seconds)
    return number * number


executor = workers(walltime=timedelta(seconds=float(sys.argv[1])), max_blocks=1)
with running(executor, retries=0):
    square(2).result()
    print("ready", executor.provider.executor.list(), flush=True)
    lost = square(3, 300).exception()
    until(lambda: "TIMEOUT" in block_states(executor))
    following = square(4).result()
    tell({"states": block_states(executor), "lost": type(lost).__name__, "next": following})
