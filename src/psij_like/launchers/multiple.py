"""`multiple`: as many processes as the job asks for, all on the lead node, without any launcher of the site's."""

from psij_like.exceptions import InvalidJobException
from psij_like.launcher import Launcher
from psij_like.resource_spec import Resources

# $1 is the number of processes; what follows is the command. Standard input is shared, as with any launcher.
# The launch ends with its last process, and with the first exit code that is not 0.
_SCRIPT = """\
n=$1; shift; pids= code=0
exec 3<&0
while [ "$n" -gt 0 ]; do "$@" <&3 3<&- & pids="$pids $!"; n=$((n - 1)); done
exec 3<&-
for pid in $pids; do wait "$pid"; one=$?; [ "$code" -ne 0 ] || code=$one; done
exit "$code"
"""


class MultipleLauncher(Launcher):
    """Starts `process_count` copies of the executable on the lead node."""

    _NAME_ = "multiple"
    lead_node_only = True

    def prefix(self, resources: Resources) -> list[str]:
        """A small shell program. See `Launcher.prefix`."""
        if self.options:
            raise InvalidJobException(f"the launcher 'multiple' has no options, but got {', '.join(self.options)}")
        return ["/bin/sh", "-c", _SCRIPT, "multiple", str(resources.processes)]
