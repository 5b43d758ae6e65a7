"""`mpirun`: what Open MPI, MPICH and Intel MPI have in common: `mpirun -n N`, the nodes found by themselves."""

from psij_like.launcher import Launcher
from psij_like.resource_spec import Resources


class MpirunLauncher(Launcher):
    """Starts MPI ranks with the `mpirun` in the job's PATH.

    An option's value follows as a word of its own, which both families read; several words are a list:
    `{"mpirun.mca": ["btl", "tcp,self"]}`.
    """

    _NAME_ = "mpirun"
    ends_options = False

    def prefix(self, resources: Resources) -> list[str]:
        """See `Launcher.prefix`."""
        return [self._NAME_, "-n", str(resources.processes), *self.option_words(joined=False)]
