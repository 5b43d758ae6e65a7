"""`scancel`, `scontrol` and `sinfo`."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Cause, Job, State
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.personality import Answer, Call
from psij_like.testing.slurm import words

if TYPE_CHECKING:
    from psij_like.testing.slurm import SlurmPersonality

_SCANCEL = Options(
    [
        Option("verbose", "v", "no"),
        Option("quiet", "Q", "no"),
        Option("signal", "s"),
        Option("batch", "b", "no"),
        Option("full", "f", "no"),
        Option("user", "u"),
        Option("me", "", "no"),
        Option("name", "n"),
        Option("partition", "p"),
        Option("state", "t"),
    ]
)
_SINFO = Options(
    [Option("noheader", "h", "no"), Option("format", "o"), Option("Node", "N", "no"), Option("partition", "p")]
)
_UNKNOWN = "Invalid job id specified"
_OVER = "Job/step already completing or completed"


def scancel(slurm: SlurmPersonality, call: Call) -> Answer:
    """Cancel or signal jobs. An unknown or finished one is no error, and is spoken of only with -v."""
    try:
        options, ids = _SCANCEL.parse(call.argv, mixed=True)
    except OptionError as error:
        return Answer(1, "", f'scancel: {error}\nTry "scancel --help" for more information\n')
    chosen = dict(options)
    number = _signal(chosen["signal"]) if "signal" in chosen else None
    if "signal" in chosen and number is None:
        return Answer(1, "", f"scancel: error: Unknown job signal: {chosen['signal']}\n")
    for native_id in ids:
        if not re.fullmatch(r"\d+(_(\d+|\[[^\]]*\]))?", native_id):
            return Answer(1, "", f"scancel: error: Invalid job id {native_id}\n")
    filters = {"user", "me", "name", "partition", "state"} & set(chosen)
    if not ids and not filters:
        return Answer(1, "", "scancel: error: No job identification provided\n")
    if not ids:
        live = slurm.model.listing()
        ids = [job.native_id for job in live if words.state(job) in words.LIVE and _matches(slurm, job, chosen)]
    said = []
    for native_id in ids:
        said.append(f"scancel: Terminating job {native_id}\n")
        jobs = [job for job in slurm.find(native_id) if _matches(slurm, job, chosen)]
        problem = "" if jobs else _UNKNOWN
        if number is not None:
            for job in jobs:
                slurm.model.signal(job, number)
        elif jobs:
            ended = [slurm.model.end(job, Cause.CANCELLED, call.user_id) for job in jobs]
            problem = "" if any(ended) else _OVER
        if problem:
            said.append(f"scancel: error: Kill job error on job id {native_id}: {problem}\n")
    return Answer(0, "", "".join(said) if "verbose" in chosen else "")


def _matches(slurm: SlurmPersonality, job: Job, chosen: Mapping[str, str]) -> bool:
    users = (slurm.user_name, str(job.user_id))
    return (
        chosen.get("user", users[0]) in users
        and chosen.get("name", job.name) == job.name
        and chosen.get("partition", job.queue) == job.queue
        and chosen.get("state", words.state(job)).upper() in (words.state(job), words.COMPACT[words.state(job)])
    )


def _signal(text: str) -> int | None:
    if text.isdigit():
        return int(text)
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    return int(signal.Signals[name]) if name in signal.Signals.__members__ else None


def scontrol(slurm: SlurmPersonality, call: Call) -> Answer:
    """Look after jobs and nodes."""
    oneline = False
    rest = list(call.argv)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option not in ("-o", "--oneliner", "-d", "--details"):
            return Answer(
                1, "", f"scontrol: unrecognized option '{option}'\nTry \"scontrol --help\" for more information\n"
            )
        oneline = oneline or option in ("-o", "--oneliner")
    if not rest:
        return Answer(1, "", "scontrol: error: the simulated scontrol needs a command\n")
    keyword, *operands = rest
    acts: Mapping[str, Callable[[Job], bool]] = {
        "hold": lambda job: slurm.model.hold(job, admin=call.admin),
        "uhold": slurm.model.hold,
        "release": slurm.model.release,
        "requeue": slurm.model.requeue,
        "suspend": slurm.model.suspend,
        "resume": slurm.model.resume,
    }
    if keyword == "show" and operands:
        return _show(slurm, call, operands, oneline=oneline)
    if keyword == "update" and operands:
        return _update(slurm, call, operands)
    if keyword not in acts and keyword not in ("show", "update"):
        return Answer(1, "", f"invalid keyword: {keyword}\n")
    if not operands:
        return Answer(1, "", f"too few arguments for keyword:{keyword}\n")
    problems = {
        "hold": "Job is no longer pending execution",
        "uhold": "Job is no longer pending execution",
        "release": "Job is no longer pending execution",
        "requeue": "Requested operation is presently disabled",
        "suspend": "Requested operation not supported on this system",
        "resume": "Requested operation not supported on this system",
    }
    said = ""
    for native_id in ",".join(operands).split(","):
        jobs = slurm.find(native_id)
        done = [acts[keyword](job) for job in jobs]
        if not any(done):
            problem = problems[keyword] if jobs else _UNKNOWN
            said += f"{problem} for job {native_id}\nslurm_suspend error: {problem}\n"
    return Answer(1 if said else 0, "", said)


def _update(slurm: SlurmPersonality, call: Call, operands: list[str]) -> Answer:
    changes = {key.lower(): value for key, _, value in (word.partition("=") for word in operands)}
    node, native_id = changes.pop("nodename", None), changes.pop("jobid", None)
    changes.pop("reason", None)
    for key in changes:
        if key not in ("starttime", "state"):
            return Answer(1, "", f"Update of this parameter is not supported: {key}\n")
    if node is not None:
        if not call.admin:
            return Answer(1, "", "slurm_update error: Invalid user id\n")
        for name in words.node_names(node):
            if name not in slurm.model.nodes:
                return Answer(1, "", "slurm_update error: Invalid node name specified\n")
            act = slurm.model.fail_node if changes.get("state", "").upper() == "DOWN" else slurm.model.restore_node
            act(name)
        return Answer()
    jobs = slurm.find(native_id or "")
    if not jobs:
        return Answer(1, "", f"{_UNKNOWN} for job {native_id}\n")
    if changes.get("starttime") == "now":
        for job in jobs:
            slurm.model.begin_at(job, slurm.model.now())
    return Answer()


def _show(slurm: SlurmPersonality, call: Call, operands: list[str], *, oneline: bool) -> Answer:
    what, *names = operands
    if what in ("hostnames", "hostname"):
        text = names[0] if names else call.environment.get("SLURM_JOB_NODELIST", "")
        if not text:
            return Answer(0, "", "scontrol: error: host list is empty\n")
        return Answer(0, "".join(f"{name}\n" for name in words.node_names(text)))
    if what == "config":
        return Answer(0, _config(slurm))
    if what in ("job", "jobs"):
        listed = slurm.model.listing([job.native_id for job in slurm.find(names[0])] if names else None)
        texts = [_job(slurm, job) for job in listed]
        if not texts:
            return (
                Answer(1, "", f"slurm_load_jobs error: {_UNKNOWN}\n") if names else Answer(0, "No jobs in the system\n")
            )
        if oneline:
            texts = [" ".join(text.split("\n   ")).rstrip() + " \n" for text in texts]
        return Answer(0, "".join(text if oneline else f"{text}\n" for text in texts))
    return Answer(1, "", f"invalid entity:{what} for keyword:show \n")


def _config(slurm: SlurmPersonality) -> str:
    from psij_like.testing.slurm import RELEASES  # noqa: PLC0415 - the package imports this module

    values = {
        "AccountingStorageType": "accounting_storage/slurmdbd" if slurm.settings.accounting else "(null)",
        "ClusterName": slurm.cluster_name,
        "DefMemPerNode": "UNLIMITED",
        "KillWait": f"{slurm.settings.kill_wait:g} sec",
        "MaxArraySize": slurm.settings.max_array_size,
        "MaxJobCount": 10000,
        "MaxMemPerNode": "UNLIMITED",
        "MinJobAge": f"{slurm.settings.history:g} sec",
        "SLURM_CONF": slurm.variable_value(slurm.directory),
        "SLURM_VERSION": RELEASES[slurm.version],
    }
    head = time.strftime("Configuration data as of %Y-%m-%dT%H:%M:%S\n")
    return head + "".join(f"{name:<24}= {value}\n" for name, value in values.items())


def _job(slurm: SlurmPersonality, job: Job) -> str:
    """A job as `scontrol show job` writes it."""

    def moment(seconds: float | None) -> str:
        return "Unknown" if seconds is None else words.moment(seconds, {})

    request, options = job.request, job.options
    user = f"{slurm.user_name}({job.user_id})"
    elapsed = 0 if job.start is None or job.state is State.PENDING else (job.end or time.time()) - job.start
    end = job.end
    if end is None and job.start is not None and request.walltime is not None:
        end = job.start + request.walltime
    slots = sum(job.slots_on) or request.tasks * request.slots_per_task
    limit = words.duration(request.walltime, full=True)
    account = options.get("account", "(null)")
    per_node = request.tasks_per_node or 0
    array = f"ArrayJobId={job.array.native_id} ArrayTaskId={job.index} " if job.array else ""
    lines = [
        f"JobId={job.number} {array}JobName={job.name}",
        f"UserId={user} GroupId={slurm.user_name}({os.getgid()}) MCS_label=N/A",
        f"Priority={0 if job.held else 4294901760 - job.number} Nice=0 Account={account} QOS=normal",
        f"JobState={words.state(job)} Reason={words.reason(job, slurm.version)} Dependency=(null)",
        f"Requeue={int(job.requeue)} Restarts={max(0, job.runs - 1)} BatchFlag=1 Reboot=0"
        f" ExitCode={words.exit_code(job)}",
        f"RunTime={words.duration(elapsed, full=True)} TimeLimit={limit} TimeMin=N/A",
        f"SubmitTime={moment(job.submitted)} EligibleTime={moment(job.begin or job.submitted)}",
        f"StartTime={moment(job.start or job.begin)} EndTime={moment(end)} Deadline=N/A",
        f"Partition={job.queue} AllocNode:Sid=localhost:1",
        f"ReqNodeList={words.node_list(request.nodelist) or '(null)'} ExcNodeList=(null)",
        f"NodeList={words.node_list(job.nodes)}",
        f"NumNodes={len(job.nodes) or request.nodes or 1} NumCPUs={slots} NumTasks={request.tasks}"
        f" CPUs/Task={request.slots_per_task} ReqB:S:C:T=0:0:*:*",
        f"Socks/Node=* NtasksPerN:B:S:C={per_node}:0:*:* CoreSpec=*",
        f"MinCPUsNode={max(1, per_node) * request.slots_per_task}"
        f" MinMemoryNode={_megabytes(request.memory)} MinTmpDiskNode=0",
        f"OverSubscribe={'NO' if request.exclusive else 'OK'} Contiguous=0 Licenses=(null) Network=(null)",
        "Command=(null)",
        f"WorkDir={job.script.directory if job.script else '/'}",
    ]
    if "comment" in options:
        lines.append(f"Comment={options['comment']}")
    if job.script is not None:
        lines += [f"StdErr={job.script.stderr or job.script.stdout}", f"StdIn={job.script.stdin}"]
        lines.append(f"StdOut={job.script.stdout}")
    lines += [f"TresPerTask=gres:gpu:{options['gpus-per-task']}"] if "gpus-per-task" in options else []
    return "\n   ".join(lines) + "\n"


def _megabytes(memory: int | None) -> str:
    return "0" if memory is None else f"{memory // 2**20}M"


def sinfo(slurm: SlurmPersonality, call: Call) -> Answer:
    """List partitions and nodes: one line for each partition and state of nodes, with -N for each node."""
    try:
        options = dict(_SINFO.parse(call.argv)[0])
    except OptionError as error:
        return Answer(1, "", f'sinfo: {error}\nTry "sinfo --help" for more information\n')
    form = options.get("format", "%9P %.5a %.10l %.6D %.6t %N")
    heads = dict(
        zip(
            "PalDtTcmGN",
            ["PARTITION", "AVAIL", "TIMELIMIT", "NODES", "STATE", "STATE", "CPUS", "MEMORY", "GRES", "NODELIST"],
            strict=True,
        )
    )
    lines = [] if "noheader" in options else [_filled(form, heads)]
    memory = str(slurm.settings.memory // 2**20)
    for position, (queue, limit) in enumerate(slurm.settings.queues.items()):
        if options.get("partition", queue) != queue:
            continue
        groups: dict[str, list[str]] = {}
        for node in slurm.model.nodes.values():
            state = "idle" if not node.used else "mixed" if node.used < node.slots else "allocated"
            state = state if node.up else "down"
            groups.setdefault(node.name if "Node" in options else state, []).append(f"{node.name} {state}")
        for members in groups.values():
            state = members[0].split()[1]
            names = [member.split()[0] for member in members]
            values = {
                "P": queue + ("*" if position == 0 else ""),
                "a": "up",
                "l": "infinite" if limit is None else words.duration(limit),
                "D": str(len(names)),
                "t": {"mixed": "mix", "allocated": "alloc"}.get(state, state),
                "T": state,
                "c": str(slurm.settings.slots),
                "m": memory,
                "G": f"gpu:{slurm.settings.gpus}" if slurm.settings.gpus else "(null)",
                "N": words.node_list(names),
            }
            lines.append(_filled(form, values))
    return Answer(0, "".join(f"{line}\n" for line in lines))


def _filled(form: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        text, width = values.get(match[3], match[0]), int(match[2] or 0)
        return text.rjust(width) if match[1] else text.ljust(width)

    return re.sub(r"%(\.?)(\d*)([A-Za-z])", value, form)
