"""`srun`: Slurm's own launcher (srun(1), Slurm 22.05). Processes may run on all nodes of the job."""

from psij_like.launcher import Launcher
from psij_like.resource_spec import Resources


class SrunLauncher(Launcher):
    """Starts the processes as a step of the Slurm job. Options are srun's long ones: `srun.overlap`, say."""

    _NAME_ = "srun"

    def prefix(self, resources: Resources) -> list[str]:
        """See `Launcher.prefix`."""
        words = ["srun", f"--ntasks={resources.processes}", f"--nodes={resources.nodes}"]
        if resources.nodes > 1 or resources.processes > 1:
            words.append(f"--ntasks-per-node={resources.processes_per_node}")
        # Since Slurm 22.05 srun does not inherit --cpus-per-task from the job.
        words.append(f"--cpus-per-task={resources.cores_per_process}")
        return [*words, *self.option_words(), "--"]
