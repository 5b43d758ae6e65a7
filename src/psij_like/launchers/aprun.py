"""`aprun`: the launcher of Cray's ALPS (aprun(1), CLE 6). Not tried on a real one."""

from psij_like.launcher import Launcher
from psij_like.resource_spec import Resources


class AprunLauncher(Launcher):
    """Starts the processes on the compute nodes of the reservation. Options are aprun's, such as `aprun.cc`."""

    _NAME_ = "aprun"
    ends_options = False

    def prefix(self, resources: Resources) -> list[str]:
        """See `Launcher.prefix`."""
        words = ["aprun", "-n", str(resources.processes), "-N", str(resources.processes_per_node)]
        if resources.cores_per_process > 1:
            words += ["-d", str(resources.cores_per_process)]
        return [*words, *self.option_words(joined=False)]
