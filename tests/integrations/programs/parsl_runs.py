"""What the tests of Parsl's blocks have in common."""

import json
import time

import parsl
from parsl.executors import HighThroughputExecutor

from psij_like.integrations.parsl import PsijProvider


def workers(**settings):
    """An executor of Parsl's that is quick to look, whose blocks are made so."""
    provider = PsijProvider(status_polling_interval=1, **settings)
    return HighThroughputExecutor(
        label="test",
        address="127.0.0.1",
        encrypted=False,
        max_workers_per_node=1,
        heartbeat_period=1,
        heartbeat_threshold=3,
        provider=provider,
    )


def running(executor, **settings):
    """Parsl with that executor."""
    return parsl.load(parsl.Config(executors=[executor], strategy_period=1, **settings))


def block_states(executor):
    """The state of each block that there was, in Parsl's words."""
    return [status.state.name for status in executor.status_facade.values()]


def until(condition, seconds=60):
    """Wait for a condition, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.1)


def tell(facts):
    """Facts for the test."""
    print(json.dumps(facts))
