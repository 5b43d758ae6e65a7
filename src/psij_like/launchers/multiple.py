"""`multiple`: as many processes as the job asks for, all on the lead node, without any launcher of the site's.

The processes are started by a shell, and have the environment, signals and files that one process alone would have.
What bash does to them all the same: it sets `_`, as every shell does; it takes away variables that it keeps for itself
(SHELLOPTS, RANDOM, UID and others, see bash(1)); and where LC_ALL or LANG names a locale that the node lacks, it says
so on standard error.
"""

from psij_like.exceptions import InvalidJobException
from psij_like.launcher import Launcher
from psij_like.resource_spec import Resources

# $1 is the number of processes; what follows is the command. Standard input is shared, as with any launcher.
# The launch ends with its last process, and with the first exit code that is not 0.
# bash sets some exported variables, which become again what they were. `exec` would export SHLVL, but not an array.
# bash has what it starts in the background ignore SIGINT and SIGQUIT, and tells standard error what signals ended.
_SCRIPT = """\
psij_left=$1; shift; psij_pids=() psij_code=0 psij_level=
{
  export -n PWD OLDPWD SHELLOPTS BASHOPTS
  while IFS= read -r -d "" psij_word; do
    case $psij_word in
      PWD=* | OLDPWD=* | IFS=* | OPTIND=* | PS4=*) export "$psij_word" ;;
      SHLVL=*) psij_level=yes ;;
    esac
  done
  if [ -z "$psij_level" ]; then unset SHLVL; declare -a SHLVL; fi
} 2>/dev/null </proc/$$/environ
exec 3<&0 4>&2 2>/dev/null
while [ "$psij_left" -gt 0 ]; do
  { trap - INT QUIT; exec -- "$@"; } <&3 3<&- 2>&4 4>&- &
  psij_pids+=("$!") psij_left=$((psij_left - 1))
done
exec 3<&- 4>&-
for psij_pid in "${psij_pids[@]}"; do
  wait "$psij_pid"; psij_one=$?
  [ "$psij_code" -ne 0 ] || psij_code=$psij_one
done
exit "$psij_code"
"""


class MultipleLauncher(Launcher):
    """Starts `process_count` copies of the executable on the lead node."""

    _NAME_ = "multiple"
    lead_node_only = True

    def prefix(self, resources: Resources) -> list[str]:
        """A small shell program. See `Launcher.prefix`."""
        if self.options:
            raise InvalidJobException(f"the launcher 'multiple' has no options, but got {', '.join(self.options)}")
        # Privileged (-p), it leaves exported functions and oddly named variables alone, and passes them on.
        return ["/bin/bash", "-p", "-c", _SCRIPT, "multiple", str(resources.processes)]
