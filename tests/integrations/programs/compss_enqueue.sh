#!/bin/bash -e
# What enqueue_compss does with its configuration: it renders a script with a line for each thing that it wants, feeds it
# to the submit command, and removes it. $1: the supercomputer's file; $2: the directory of queue systems; $3: name, $4:
# nodes, $5: minutes, $6: directory, $7: a job to wait for or None; the rest is what the job runs.
sc_cfg=$1 systems=$2 name=$3 nodes=$4 minutes=$5 place=$6 waits_for=$7
shift 7
source "$sc_cfg"
source "$systems/$QUEUE_SYSTEM.cfg"
script=$(mktemp)
trap 'rm -f "$script"' EXIT
header() { printf '#%s %s%s%s\n' "$QUEUE_CMD" "$1" "$QUEUE_SEPARATOR" "$2" >>"$script"; }
printf '#!/bin/bash -e\n#\n' >"$script"
echo "Temp submit script is: $script"
header "$QARG_JOB_NAME" "$name"
if [ "$waits_for" != None ]; then header "$QARG_JOB_DEPENDENCY_OPEN" "$waits_for$QARG_JOB_DEPENDENCY_CLOSE"; fi
if [ "$DEFAULT_QUEUE" != default ]; then header "$QARG_QUEUE_SELECTION" "$DEFAULT_QUEUE"; fi
header "$QARG_WALLCLOCK" "$(printf '00:%02d' "$minutes")$EMPTY_WC_LIMIT"
header "$QARG_WD" "$place"
header "$QARG_JOB_OUT" "compss-$QJOB_ID.out"
header "$QARG_JOB_ERROR" "compss-$QJOB_ID.err"
header "$QARG_NUM_NODES" "$nodes"
header "$QARG_NUM_PROCESSES" "$DEFAULT_CPUS_PER_NODE"
cat >>"$script" <<EOT
host_list=\$($HOSTLIST_CMD \$$ENV_VAR_NODE_LIST $HOSTLIST_TREATMENT)
master=\$($MASTER_NAME_CMD)
echo "job \$$ENV_VAR_JOB_ID on" \$host_list
$*
EOT
eval "$SUBMISSION_CMD $SUBMISSION_PIPE$script"
