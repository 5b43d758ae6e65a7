"""`qsub`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Array, Dependency, Job, Request, Script, State, Wait
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.pbs.shared import scripts, words
from psij_like.testing.pbs.shared.family import Submitted
from psij_like.testing.pbs.shared.scripts import Order, Refusal
from psij_like.testing.personality import Answer, Call
from psij_like.testing.placing import fits_ever

if TYPE_CHECKING:
    from psij_like.testing.pbs_classic.torque import PbsClassicPersonality

_OPTIONS = Options(
    Option(letter, letter, "no" if letter in "fhInVxXz" else "yes")
    for letter in "aAbcCdDefFhIjJkKlmMnNopPqrStTuvVwWxXz"
)
_USAGE = """
usage: qsub [-a date_time] [-A account_string] [-b secs]
    [-c [ none | { enabled | periodic | shutdown |
    depth=<int> | dir=<path> | interval=<minutes>}... ]
    [-C directive_prefix] [-d path] [-D path]
    [-e path] [-h] [-I] [-j oe|eo|n] [-k {oe}] [-K <kill delay seconds>] 
    [-l resource_list] [-m n|{abe}] [-M user_list] [-N jobname] [-o path] 
    [-p priority] [-P proxy_user [-J <jobid]] [-q queue] [-r y|n] 
    [-S path] [-t number_to_submit] [-T type]  [-u user_list] [-w] path
    [-W additional_attributes] [-v variable_list] [-V ] [-x] [-X] [-z] [script]

"""  # noqa: W291 - so it is
_KINDS = "after|afterok|afternotok|afterany"
_GOOD = {
    "j": r"oe|eo|n",
    "k": r"[oe]+|n",
    "N": r"[^\s\"'\\]{1,256}",
    "p": r"-?(1?0?[0-9]{1,2}|10[01][0-9]|102[0-4])",
    "r": r"[yn]",
    "S": r"/.*",
}
_ATTRIBUTES = frozenset(["depend", "umask", "group_list", "stagein", "stageout", "x", "job_radix"])
_TIMES = ("walltime", "cput", "pcput")
_SIZES = ("mem", "vmem", "pmem", "pvmem", "file")
_RESOURCES = frozenset(
    [
        *("advres", "arch", "cput", "epilogue", "feature", "file", "flags", "gattr", "geometry", "gres", "host", "mem"),
        *("naccesspolicy", "ncpus", "nice", "nodect", "nodes", "opsys", "other", "partition", "pcput", "place", "pmem"),
        *("procs", "prologue", "pvmem", "qos", "select", "size", "software", "trl", "ttc", "vmem", "walltime"),
    ]
)
_FULL = (
    "cannot locate feasible nodes (nodes file is empty, all systems are busy, or no nodes have the requested feature)"
)


def _refused(text: str, exit_code: int) -> Refusal:
    return Refusal(f"qsub: submit error ({text})", exit_code)


def _illegal(letter: str, more: str = "value") -> OptionError:
    return OptionError(f"[qsub: illegal -{letter} {more}]")


def qsub(torque: PbsClassicPersonality, call: Call) -> Answer:
    """Submit a script."""
    if any(word.startswith("--") for word in call.argv):
        return Answer(2, "", f"[a single - is not a valid option]\n{_USAGE}")
    try:
        problem = "qsub: script file '{path}' cannot be loaded - {problem}"
        order = scripts.read(call, _OPTIONS, problem, "qsub:  script is written in DOS/Windows text format")
        jobs, array = _jobs(torque, call, order)
    except OptionError as error:
        said = f"{error}\n" if str(error).startswith("[") else f"qsub: {error}\n[exiting]\n"
        return Answer(2, "", f"{said}{_USAGE}")
    except Refusal as error:
        return Answer(error.exit_code, "", str(error))
    torque.model.submit(*jobs, array=array)
    native_id = array.native_id if array is not None else jobs[0].native_id
    return Answer(0, "" if "z" in order.options else f"{native_id}\n")


def _jobs(torque: PbsClassicPersonality, call: Call, order: Order) -> tuple[list[Job], Array | None]:
    options = order.options
    for letter, pattern in _GOOD.items():
        if letter in options and not re.fullmatch(pattern, options[letter]):
            raise _illegal(letter)
    try:
        begin = words.moment(options["a"]) if "a" in options else None
    except ValueError as error:
        raise _illegal("a") from error
    waits_for = _dependencies(torque, order.attributes.get("depend"))
    queue = options.get("q", "").partition("@")[0] or next(iter(torque.settings.queues))
    if queue not in torque.settings.queues:
        raise _refused("Unknown queue MSG=requested queue not found", 172)
    if queue in torque.disabled:
        user = f"{torque.user_name}@{torque.server}"
        raise _refused(f"Queue is not enabled MSG=queue is disabled: user {user}, queue {queue}", 175)
    if set(order.attributes) - _ATTRIBUTES:
        raise _refused("Undefined attribute  MSG=detected presence of an unknown attribute", 154)
    shown = _shown(torque, order.resources, queue)
    request = _request(torque, shown, queue, exclusive="n" in options)
    indices, limit = _array(torque, options.get("t"))
    number = torque.model.next_number()
    whole = f"{number}[].{torque.server}"
    array = Array(whole, limit) if indices else None
    try:
        variables, _ = words.variable_list(options.get("v", ""), call.environment)
    except ValueError:
        variables = {}
    source = scripts.origin(call, torque.server, queue)
    source = {"PBS_O_QUEUE": source.pop("PBS_O_QUEUE"), **source, "PBS_O_SERVER": torque.server}
    source |= {**(scripts.exported(call.environment) if "V" in options else {}), **variables}
    name = options.get("N", order.name)
    submitted = Submitted(
        order.text,
        {**options, **order.attributes},
        shown,
        source,
        order.arguments,
        call.directory,
        indices=options.get("t", "").partition("%")[0],
    )
    torque.remember(number, submitted)
    bare = torque.bare_environment()

    def job(index: int | None) -> Job:
        native_id = f"{number}.{torque.server}" if index is None else f"{number}[{index}].{torque.server}"
        return Job(
            native_id=native_id,
            number=number,
            name=name if index is None else f"{name}-{index}",
            user_id=call.user_id,
            queue=queue,
            request=request,
            script=Script("", (), options.get("d", bare["HOME"]), {**bare, **source}),
            submitted=torque.model.now(),
            dependencies=_alive(torque, waits_for, native_id),
            held=Wait.HELD_BY_USER if "h" in options else None,
            begin=begin if begin is not None and begin > torque.model.now() else None,
            obstacle="Not Running: Queue not started." if queue in torque.stopped else None,
            requeue=options.get("r", "y") == "y",
            array=array,
            index=index,
        )

    elements: list[int | None] = [*indices] or [None]
    return [job(index) for index in elements], array


def _shown(torque: PbsClassicPersonality, given: Mapping[str, str], queue: str) -> dict[str, str | int]:
    """The Resource_List: what is given, then what the queue gives."""
    shown: dict[str, str | int] = {}
    for name, value in given.items():
        if name not in _RESOURCES and name not in torque.own_resources:
            raise _refused(f"Unknown resource type  Resource_List.{name}", 189)
        try:
            shown[name] = words.clock(words.seconds(value)) if name in _TIMES else value
            if name in _SIZES:
                words.size(value)
        except ValueError as error:
            raise _refused(f"Illegal attribute or resource value for Resource_List.{name}", 168) from error
    if queue == next(iter(torque.settings.queues)):
        shown.setdefault("nodes", "1")
        shown.setdefault("walltime", "01:00:00")
    if "nodes" in shown:
        counts = [part.partition(":")[0] for part in str(shown["nodes"]).split("+")]
        shown["nodect"] = sum(int(count) if count.isdigit() else 1 for count in counts)
    return shown


def _request(torque: PbsClassicPersonality, shown: Mapping[str, str | int], queue: str, *, exclusive: bool) -> Request:
    nodes = cores = 0
    names = []
    infeasible = False
    for part in str(shown.get("nodes", 1)).split("+"):
        head, *properties = part.split(":")
        values = dict(item.partition("=")[::2] for item in properties)
        nodes += int(head) if head.isdigit() else 1
        cores = max(cores, int(values.get("ppn", "1")) if values.get("ppn", "1").isdigit() else 1)
        gpus = values.get("gpus", "0")
        infeasible = infeasible or not gpus.isdigit() or int(gpus) > torque.settings.gpus
        if not head.isdigit():
            names.append(head)
    infeasible = infeasible or bool(set(names) - set(torque.model.nodes)) or not nodes or not cores
    walltime = words.seconds(str(shown["walltime"])) if "walltime" in shown else None
    longest = torque.settings.queues[queue]
    if longest is not None and walltime is not None and walltime > longest:
        raise _refused("Job exceeds queue resource limits MSG=cannot satisfy queue max walltime requirement", 190)
    request = Request(
        tasks=nodes * cores,
        nodes=nodes,
        tasks_per_node=cores,
        exclusive=exclusive,
        walltime=walltime or None,
        nodelist=tuple(names),
    )
    if infeasible or not fits_ever(request, torque.model.nodes.values()):
        raise _refused(f"Job exceeds queue resource limits MSG={_FULL}", 190)
    return request


def _array(torque: PbsClassicPersonality, text: str | None) -> tuple[list[int], int | None]:
    if text is None:
        return [], None
    elements, _, limit = text.partition("%")
    try:
        indices = words.indices(elements if "-" in elements or "," in elements else f"0-{int(elements) - 1}")
    except ValueError:
        indices = []
    if not indices or len(indices) >= torque.settings.max_array_size or (limit and not limit.isdigit()):
        raise _refused("Bad Job Array Request", 235)
    return indices, int(limit) if limit and int(limit) else None


def _dependencies(torque: PbsClassicPersonality, text: str | None) -> tuple[Dependency, ...]:
    if text is None:
        return ()
    illegal = _illegal("W", f"dependency value: '{text}'")
    try:
        found = scripts.dependencies(text, _KINDS)
    except ValueError as error:
        raise illegal from error
    dependencies = []
    for kind, native_ids in found:
        for given in native_ids:
            native_id = torque.whole_id(given.partition("@")[0])
            if native_id is None:
                raise illegal
            if not torque.find(native_id):
                raise _refused("Invalid Job Dependency", 208)
            dependencies.append(Dependency(kind, native_id))
    return tuple(dependencies)


def _alive(
    torque: PbsClassicPersonality, dependencies: tuple[Dependency, ...], native_id: str
) -> tuple[Dependency, ...]:
    """On a job that has already ended the wrong way, Torque waits for ever; as if it were for itself."""
    for dependency in dependencies:
        jobs = torque.find(dependency.native_id)
        wrong = {"afterok": False, "afternotok": True}.get(dependency.kind)
        over = all(job.state is State.ENDED for job in jobs)
        if over and wrong is not None and all(job.succeeded for job in jobs) is wrong:
            return (Dependency("afterany", native_id),)
    return dependencies
