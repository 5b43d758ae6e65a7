"""Simulated clusters, to test programs that submit jobs where there is no scheduler.

with SimulatedCluster("slurm", nodes=2) as cluster:
    executor = JobExecutor.get_instance("slurm")
"""

from psij_like.testing.cluster import SimulatedCluster, SimulatedJob, SimulationError
from psij_like.testing.settings import Settings

__all__ = ["Settings", "SimulatedCluster", "SimulatedJob", "SimulationError"]
