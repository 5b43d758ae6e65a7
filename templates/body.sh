# ---- The body of a job, the same on every scheduler. Above, the scheduler's part has defined
# psij_dir (the directory that the job was submitted from), psij_token, psij_native_id; in an element of an array also
# psij_index (from 1) and psij_array_id, the native id of the whole; where there is one the function psij_nodes, which
# prints the name of a node once for each process, and psij_reserved: exit codes that the scheduler gives a meaning of
# its own, which it gets as 1. Everything of the user's is in body.sh and elements.
# The scheduler may have started it by another shell, or have read it from a pipe.
case $- in *p*) ;; *) exec /bin/bash -p "$psij_dir/submit.$psij_token" ;; esac
# The shell is privileged (-p): it reads neither BASH_ENV nor functions from the environment, so that nothing of the
# submitter's stands in for the commands below. The user's own scripts get all that back.
set +eufvx +o noclobber
umask 077 # for the job's own files; what is staged and launched has the user's
psij_user_path=${PATH-}
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin
psij_batch=$psij_dir
if [ -n "${psij_index-}" ]; then # one of many jobs
  psij_dir=$psij_batch/$psij_index
  mkdir -m 700 "$psij_dir" 2>/dev/null
fi
psij_received= psij_failure= psij_trouble= psij_phase=launch psij_exit_code=

# Wakes the client up. It says nothing but "look": whoever forges or loses it changes no state.
psij_ring() {
  if [ -n "${psij_bell_port-}" ]; then
    { printf '%s' "$psij_bell_text" >"/dev/udp/$psij_bell_host/$psij_bell_port"; } 2>/dev/null
  fi
}

psij_clock() {
  psij_time=${EPOCHREALTIME:-$(date +%s)}
  psij_time=${psij_time/,/.}
}

psij_event() {
  psij_clock
  printf '%s %s\n' "$psij_time" "$1" >>"$psij_dir/events.$psij_run"
  psij_ring
}

# Runs a command for psij_nodes: one that hangs does not keep the job from starting.
psij_bounded() { timeout -k 5 30 "$@"; }

# Writes how this run ended, and ends it. $1: exit code of the job ('' if it never started), $2: exit code
# for the scheduler, $3: phase and $4: sentence if something other than the job's exit code made it fail.
psij_end() {
  psij_clock
  # Over what was written at the start, without a new block: a full disk does not lose the end.
  printf 'exit_code=%s\nreceived=%s\nended=%s\nphase=%s\nfailure=%s\nwhole=1\n' \
    "$1" "$psij_received" "$psij_time" "${3-}" "${4//$'\n'/ }" 1<>"$psij_dir/end.$psij_run.new" &&
    mv "$psij_dir/end.$psij_run.new" "$psij_dir/end.$psij_run"
  psij_ring
  case " ${psij_reserved-} " in *" $2 "*) exit 1 ;; esac
  exit "$2"
}

exec >>"$psij_dir/submit.log" 2>&1 </dev/null

# ---- Only one copy of a job may run: the one whose native id the claim names. Whoever submits the job again claims the
# place of earlier copies first, and gives the new one another token.
psij_claim=$psij_batch/claim.$psij_token
psij_claimant=${psij_array_id:-$psij_native_id}
if ! . "$psij_batch/body.sh"; then
  printf '%s\n' "psij: the job's own files in $psij_batch can not be read on ${HOSTNAME:-this node}" >&2
  exit 1
fi
if ! ln -s "$psij_claimant" "$psij_claim" 2>/dev/null && [ "$(readlink "$psij_claim")" != "$psij_claimant" ]; then
  printf '%s\n' "psij: $psij_batch is claimed by $(readlink "$psij_claim"); this copy runs nothing" >&2
  exit 1
fi
set -o noclobber
psij_run=1
while ! { : >"$psij_dir/events.$psij_run"; } 2>/dev/null; do
  if ! [ -e "$psij_dir/events.$psij_run" ]; then
    printf '%s\n' "psij: $psij_dir can not be written to on ${HOSTNAME:-this node}" >&2
    exit 1
  fi
  psij_run=$((psij_run + 1))
done
set +o noclobber
printf '%600s\n' '' >"$psij_dir/end.$psij_run.new"
printf '%600s\n' '' >"$psij_dir/outcome.$psij_run"

# ---- The jobs it waited for at which the scheduler's word is not enough: kind, native id, id, the directory that it was
# submitted from, and its own.
psij_ended_well() { # $1: id, $2 and $3: directories of an ended job: whether it is COMPLETED; 2 if nothing is known
  local runs end there=
  if [ -d "$2" ]; then there=1; fi # its directory goes when its end is in a ledger, so this comes first
  runs=("$3"/events.*) # a list, as network file systems remember that a name was missing
  if { IFS= read -r -d '' end; [ -n "$end" ]; } <"$3/end.${#runs[@]}"; then
    case $end in exit_code=0$'\n'*$'\n'failure=$'\n'*) return 0 ;; *) return 1 ;; esac
  fi 2>/dev/null
  end=$(grep -hsF "\"job_id\": \"$1\"" "${2%/jobs/*}"/ledger/*.jsonl | grep -F '"state": ')
  case $end in *'"state": "COMPLETED"'*) return 0 ;; ?*) return 1 ;; esac
  [ -n "$there" ] || return 2
  return 1 # it never ran, or was cut off
}

for ((psij_i = 0; psij_i < ${#psij_awaited[@]}; psij_i += 5)); do
  psij_ended_well "${psij_awaited[@]:psij_i+2:3}"
  case ${psij_awaited[psij_i]}$? in
    afterok[02] | afternotok1) ;;
    *)
      psij_end '' 1 dependency \
        "it was to start ${psij_awaited[psij_i]} job ${psij_awaited[psij_i + 1]}, whose end rules that out"
      ;;
  esac
done

# Signals meant for the job reach its processes too; the body stays to write down how it ended.
psij_signals=(1 2 3 10 12 15 24)
for psij_signal in "${psij_signals[@]}"; do
  # shellcheck disable=SC2064
  trap "psij_received=$psij_signal" "$psij_signal"
done

psij_place() { # mode, source, target; in a subshell
  umask "$psij_umask"
  local source=${2%/} target=$3
  case $source in /*) ;; *) source=$PWD/$source ;; esac
  if [ -d "$target" ] || [ "${target%/}" != "$target" ]; then target=${target%/}/${source##*/}; fi
  case $target in */*) mkdir -p -- "${target%/*}/" || return ;; esac
  case $1 in
    COPY) cp -R -- "$source" "$target" ;;
    LINK) ls -d -- "$source" >/dev/null && ln -sf -- "$source" "$target" ;;
    MOVE) mv -f -- "$source" "$target" ;;
  esac
}

psij_wanted() { # NAME of the flag for each outcome, separated by blanks
  local outcome=ON_SUCCESS
  if [ "$psij_exit_code" != 0 ]; then outcome=ON_ERROR; fi
  # A cancel that was asked for counts when it arrived: a scheduler may have refused it.
  if [ -e "$psij_dir/cancel" ] && { [ -n "$psij_received" ] || [ "${psij_exit_code:-0}" -gt 128 ]; }; then
    outcome=ON_CANCEL
  fi
  case " $1 " in *" $outcome "*) return 0 ;; *) return 1 ;; esac
}

case $psij_directory in
  '~') psij_directory=$HOME ;;
  '~/'*) psij_directory=$HOME/${psij_directory#'~/'} ;;
esac
if ! cd -- "$psij_directory"; then
  psij_end '' 1 launch "the job's directory '$psij_directory' does not exist or can not be entered (on ${HOSTNAME:-?})"
fi

# ---- STAGE_IN
if [ ${#psij_stage_in[@]} -gt 0 ]; then
  psij_event STAGE_IN
  for ((psij_i = 0; psij_i < ${#psij_stage_in[@]}; psij_i += 3)); do
    if ! psij_problem=$(psij_place "${psij_stage_in[@]:psij_i:3}" 2>&1); then
      psij_phase=staging
      psij_failure="stage-in of '${psij_stage_in[psij_i + 1]}' failed: $psij_problem"
      break
    fi
  done
fi

# ---- ACTIVE. The launch has a shell of its own, which says in a file how far it got; its last line counts. No pipe:
# what a user's script leaves running would keep it open.
psij_find() { # sets psij_path to that of a command, looked up as the job would
  case $1 in
    */*)
      psij_path=$1
      [ -f "$1" ] && [ -x "$1" ]
      ;;
    *)
      psij_path=$(type -P -- "$1" && printf x) # x keeps a name's own newlines at its end
      psij_path=${psij_path%$'\n'x}
      [ -n "$psij_path" ]
      ;;
  esac
}

psij_interpreted() { # whether what #! names in the file at psij_path, if anything, is there
  local two='' interpreter=/
  { IFS= read -r -N 2 two && [ "$two" = '#!' ] && read -r interpreter _; } <"$psij_path" 2>/dev/null
  [ -x "$interpreter" ]
}

# Its first line counts; what was longer before is left behind it.
psij_say() { printf '%s\n' "${*//$'\n'/ }" 1<>"$psij_dir/outcome.$psij_run"; }

psij_here() { # goes where the job is to run
  if ! cd -- "$psij_directory"; then
    psij_say "fail 1 the job's directory '$psij_directory' can not be entered"
    return 1
  fi
}

psij_launch() {
  trap : "${psij_signals[@]}"
  PATH=$psij_user_path
  umask "$psij_umask"
  if [ -z "$psij_inherit" ]; then export -n PWD OLDPWD SHLVL; fi # the shell's own
  psij_environment
  PSIJ_NATIVE_ID=$psij_native_id
  export PSIJ_JOB_ID PSIJ_NATIVE_ID
  if [ -n "$psij_pre_launch$psij_post_launch" ]; then
    # The scripts may want what a shell usually finds in its environment: functions such as module, and BASH_ENV.
    eval "$(BASH_ENV='' /bin/bash -c 'declare -f; declare -Fx')"
    if [ -n "${BASH_ENV-}" ] && [ -r "$BASH_ENV" ]; then . "$BASH_ENV"; fi
  fi
  for psij_file in "$psij_pre_launch" "$psij_post_launch"; do
    if [ -n "$psij_file" ] && { ! [ -r "$psij_file" ] || [ -d "$psij_file" ]; }; then
      psij_say "fail 1 the script '$psij_file' can not be read"
      return
    elif [ -f "$psij_file" ] && ! psij_problem=$(BASH_ENV='' /bin/bash -O extglob -n "$psij_file" 2>&1); then
      psij_say "fail 1 the script '$psij_file' is no shell script: $psij_problem"
      return
    fi
  done
  if ! { exec {psij_in}<"$psij_stdin"; } 2>/dev/null; then
    psij_say "fail 1 stdin_path '$psij_stdin' can not be read"
    return
  elif ! { exec {psij_out}>"$psij_stdout"; } 2>/dev/null; then
    psij_say "fail 1 stdout_path '$psij_stdout' can not be written"
    return
  elif [ "$psij_stderr" -ef "$psij_stdout" ]; then
    exec {psij_err}>&"$psij_out"
  elif ! { exec {psij_err}>"$psij_stderr"; } 2>/dev/null; then
    psij_say "fail 1 stderr_path '$psij_stderr' can not be written"
    return
  fi
  if [ -n "$psij_pre_launch" ]; then
    psij_say "fail 1 the pre_launch script '$psij_pre_launch' ended the job before its launch"
    . "$psij_pre_launch"
    set +euC
    unset -f exec printf type cd
    psij_here || return
  fi
  psij_code=1
  if ! psij_find "${psij_argv[0]}"; then
    if [ -e "${psij_argv[0]}" ]; then
      psij_say "fail 126 '${psij_argv[0]}' is not an executable file"
    else
      psij_say "fail 127 '${psij_argv[0]}' was not found (PATH: $PATH)"
    fi
  elif [ -n "$psij_check" ] && ! psij_find "$psij_check"; then
    psij_say "fail 127 '$psij_check' was not found or is not an executable file (PATH: $PATH)"
  elif ! psij_interpreted; then
    psij_say "fail 126 '${psij_check:-${psij_argv[0]}}' can not be started: its interpreter is missing"
  else
    psij_find "${psij_argv[0]}"
    psij_say ''
    # By its path, so that no function or builtin of the shell's is meant, but under the name it was given.
    (
      exec -a "${psij_argv[0]}" "$psij_path" "${psij_argv[@]:1}" <&"$psij_in" >&"$psij_out" 2>&"$psij_err" \
        {psij_in}<&- {psij_out}>&- {psij_err}>&-
    )
    psij_code=$?
    psij_say "exit $psij_code"
    exec {psij_in}<&- {psij_out}>&- {psij_err}>&-
  fi
  if [ -n "$psij_post_launch" ]; then
    . "$psij_post_launch"
  fi
  return "$psij_code"
}

if declare -F psij_nodes >/dev/null; then
  if psij_nodes >"$psij_dir/nodefile" && [ -s "$psij_dir/nodefile" ]; then
    export PSIJ_NODEFILE=$psij_dir/nodefile
  else
    printf '%s\n' "psij: the names of the job's nodes could not be found out; PSIJ_NODEFILE is not set" >&2
  fi
fi
case $psij_received in
  1 | 2 | 3 | 15) psij_failure=${psij_failure:-"signal $psij_received came before the launch"} ;;
esac
if [ -z "$psij_failure" ]; then
  psij_event ACTIVE
  (psij_launch)
  psij_exit_code=$?
  psij_outcome=
  { IFS= read -r psij_outcome <"$psij_dir/outcome.$psij_run"; } 2>/dev/null
  case $psij_outcome in
    'exit '*) psij_exit_code=${psij_outcome#exit } ;;
    'fail '*)
      psij_outcome=${psij_outcome#fail }
      psij_exit_code=${psij_outcome%% *}
      psij_failure=${psij_outcome#* }
      ;;
  esac # else that shell was killed, or could not write: its own exit code is what there is
fi

# ---- STAGE_OUT and CLEANUP. Some schedulers send a signal more than once: what takes results away is not ended by that.
if [ -n "$psij_received" ]; then trap '' "${psij_signals[@]}"; fi
if [ ${#psij_stage_out[@]} -gt 0 ]; then
  psij_event STAGE_OUT
  for ((psij_i = 0; psij_i < ${#psij_stage_out[@]}; psij_i += 4)); do
    psij_wanted "${psij_stage_out[psij_i]}" || continue
    case " ${psij_stage_out[psij_i]} " in
      *' IF_PRESENT '*) [ -e "${psij_stage_out[psij_i + 2]}" ] || continue ;;
    esac
    psij_problem=$(psij_place "${psij_stage_out[@]:psij_i+1:3}" 2>&1) ||
      psij_trouble=${psij_trouble:-"stage-out of '${psij_stage_out[psij_i + 2]}' failed: $psij_problem"}
  done
fi
if [ ${#psij_cleanup[@]} -gt 0 ]; then
  psij_event CLEANUP
  if psij_wanted "$psij_cleanup_flags"; then
    for psij_i in "${psij_cleanup[@]}"; do
      psij_problem=$(rm -rf -- "$psij_i" 2>&1) ||
        psij_trouble=${psij_trouble:-"clean-up of '$psij_i' failed: $psij_problem"}
    done
  fi
fi

# The scheduler gets the job's exit code too: dependencies between jobs rest on it.
if [ -n "$psij_failure" ]; then
  psij_end "$psij_exit_code" "${psij_exit_code:-1}" "$psij_phase" "$psij_failure (on ${HOSTNAME:-an unnamed node})"
elif [ "$psij_exit_code" = 0 ] && [ -n "$psij_trouble" ]; then
  psij_end 0 1 staging "$psij_trouble"
fi
psij_end "$psij_exit_code" "$psij_exit_code"
