"""Squares, worked out by Dask on whatever psij-like has configured, or finds."""

from datetime import timedelta

from dask.distributed import Client
from psij_cluster import PsijCluster

from psij_like import JobAttributes


def square(number):
    """Runs in a worker."""
    return number * number


if __name__ == "__main__":
    attributes = JobAttributes(duration=timedelta(minutes=5))
    with PsijCluster(cores=1, memory="400MB", attributes=attributes) as cluster, Client(cluster) as client:
        cluster.scale(jobs=2)
        client.wait_for_workers(2)
        print(client.gather(client.map(square, range(4))))
