"""`mpiexec`: the name that the MPI standard suggests for `mpirun`; on some systems the only one (Cray PALS)."""

from psij_like.launchers.mpirun import MpirunLauncher


class MpiexecLauncher(MpirunLauncher):
    """Starts MPI ranks with the `mpiexec` in the job's PATH; options as for `mpirun`."""

    _NAME_ = "mpiexec"
