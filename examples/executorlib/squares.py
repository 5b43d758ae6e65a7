"""Squares, worked out by executorlib on whatever psij-like has configured, or finds."""

from executorlib.task_scheduler.interactive.onetoone import OneProcessTaskScheduler
from psij_spawner import PsijSpawner


def square(number):
    """Runs in a worker."""
    return number * number


if __name__ == "__main__":
    with OneProcessTaskScheduler(max_cores=2, spawner=PsijSpawner) as workers:
        futures = [workers.submit(square, number) for number in range(4)]
        print([future.result() for future in futures])
