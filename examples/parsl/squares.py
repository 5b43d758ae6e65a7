"""Squares, worked out by Parsl on whatever psij-like has configured, or finds."""

import parsl
from parsl.executors import HighThroughputExecutor

from psij_like.integrations.parsl import PsijProvider

blocks = PsijProvider(walltime="00:05:00", cores_per_node=1, mem_per_node=0.5)
workers = HighThroughputExecutor(label="squares", provider=blocks)


@parsl.python_app
def square(number):
    """Runs in a worker."""
    return number * number


with parsl.load(parsl.Config(executors=[workers])):
    print([result.result() for result in [square(number) for number in range(4)]])
