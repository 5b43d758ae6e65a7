"""`mpirun`: that of Open MPI, MPICH, Intel MPI or another one, as the job's PATH has it.

All of them take `-n N` and find the job's nodes by themselves. How many ranks each node is to have, and how many cores
each rank, they take in ways of their own; which one it is, is asked on the node (`mpirun --version`), since scripts
that are sourced before the launch may choose it.
"""

from psij_like.launcher import Launcher
from psij_like.resource_spec import Resources

# $1 to $4: the launcher, ranks, ranks for each node, cores for each rank. Open MPI: mpirun(1), 4.1 and 5.0; MPICH's
# Hydra: `mpiexec -help`, 4.0; Intel MPI, which heeds the scheduler instead unless told not to: its reference, 2021.
_SCRIPT = (
    'm=$1 n=$2 p=$3 c=$4; shift 4; case $("$m" --version 2>&1) in '
    '*"Open MPI"*|*OpenRTE*) if [ "$c" -gt 1 ]; then p=$p:node:PE=$c; else p=$p:node; fi; '
    'exec "$m" -n "$n" --map-by "ppr:$p" "$@";; '
    '*Intel*) export I_MPI_JOB_RESPECT_PROCESS_PLACEMENT=off; exec "$m" -n "$n" -ppn "$p" "$@";; '
    '*HYDRA*) exec "$m" -n "$n" -ppn "$p" "$@";; '
    '*) exec "$m" -n "$n" "$@";; esac'
)
# Whoever gives one of these says himself where ranks go.
_LAYOUT = frozenset(
    [
        "map-by",
        "ppn",
        "ppr",
        "perhost",
        "npernode",
        "N",
        "rankfile",
        "rf",
        "hostfile",
        "machinefile",
        "host",
        "hosts",
        "f",
    ]
)


class MpirunLauncher(Launcher):
    """Starts MPI ranks with the `mpirun` in the job's PATH.

    An option's value follows as a word of its own, which all of them read; several words are a list:
    `{"mpirun.mca": ["btl", "tcp,self"]}`. Options that say where ranks go (`map-by`, `ppn`, `hostfile`, ...) take the
    place of what would be said otherwise.
    """

    _NAME_ = "mpirun"
    ends_options = False

    def prefix(self, resources: Resources) -> list[str]:
        """See `Launcher.prefix`."""
        options = self.option_words(joined=False)
        ranks = str(resources.processes)
        if _LAYOUT.isdisjoint(self.options) and (resources.nodes > 1 or resources.cores_per_process > 1):
            layout = (str(resources.processes_per_node), str(resources.cores_per_process))
            return ["/bin/sh", "-c", _SCRIPT, "sh", self._NAME_, ranks, *layout, *options]
        return [self._NAME_, "-n", ranks, *options]
