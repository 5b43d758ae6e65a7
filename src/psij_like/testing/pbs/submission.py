"""`qsub`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psij_like.testing.jobs import Array, Cause, Dependency, Job, Script, State, Wait
from psij_like.testing.options import Option, OptionError, Options
from psij_like.testing.pbs import chunks
from psij_like.testing.pbs.shared import scripts, words
from psij_like.testing.pbs.shared.family import Submitted
from psij_like.testing.pbs.shared.scripts import Order, Refusal
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.pbs.pro import PbsPersonality

_OPTIONS = Options(
    Option(letter, letter, "no" if letter in "fhIVXz" else "yes") for letter in "aAcCefhIjJklmMNopPqrRSuvVWXz"
)
_USAGE = """usage: qsub [-a date_time] [-A account_string] [-c interval]
	[-C directive_prefix] [-e path] [-f ] [-h ] [-I [-X]] [-j oe|eo] [-J X-Y[:Z]]
	[-k keep] [-l resource_list] [-m mail_options] [-M user_list]
	[-N jobname] [-o path] [-p priority] [-P project] [-q queue] [-r y|n]
	[-R o|e|oe] [-S path] [-u user_list] [-W otherattributes=value...]
	[-v variable_list] [-V ] [-z] [script | -- command [arg1 ...]]
       qsub --version
"""
_KINDS = "after|afterok|afternotok|afterany"
_GOOD = {
    "e": r".+",
    "j": r"oe|eo|n",
    "k": r"[oed]+|n",
    "N": r"[A-Za-z0-9_.+-]+",
    "o": r".+",
    "p": r"-?(1?0?[0-9]{1,2}|10[01][0-9]|102[0-3])",
    "r": r"[yn]",
    "S": r"/.*",
}
_ATTRIBUTES = frozenset(
    ["depend", "umask", "sandbox", "group_list", "block", "stagein", "stageout", "run_count", "project", "pwd"]
)


def qsub(pbs: PbsPersonality, call: Call) -> Answer:
    """Submit a script."""
    if any(word.startswith("--") and word != "--" for word in call.argv):
        return Answer(2, "", f"qsub: invalid option -- '-'\n{_USAGE}")
    try:
        order = scripts.read(call, _OPTIONS, "qsub: script file:: {problem}", "qsub: script contains cr, lf")
        jobs, array, in_vain = _jobs(pbs, call, order)
    except OptionError as error:
        said = f"qsub: {error}\n" if str(error) else ""
        return Answer(2, "", f"{said}{_USAGE}")
    except Refusal as error:
        usage = _USAGE if str(error).startswith("qsub: illegal") else ""
        return Answer(error.exit_code, "", f"{error}{usage}")
    pbs.model.submit(*jobs, array=array)
    if in_vain:
        for job in jobs:
            job.held = None
            pbs.model.end(job, Cause.DEPENDENCY)
    native_id = array.native_id if array is not None else jobs[0].native_id
    return Answer(0, "" if "z" in order.options else f"{native_id}\n")


def qalter(pbs: PbsPersonality, call: Call) -> Answer:
    """Change what a job waits for: all that is simulated of it. The ends of those that are named again are noticed."""
    match list(call.argv):
        case ["-W", text, given] if text.startswith("depend="):
            native_id = pbs.whole_id(given)
            job = next(iter(pbs.find(native_id)), None) if native_id else None
            try:
                waits_for = _dependencies(pbs, text.removeprefix("depend="))
            except Refusal:
                return Answer(2, "", "qalter: illegal -W value\n")
        case _:
            return Answer(2, "", "usage: qalter [-W dependency_list] job_identifier...\n")
    if job is None:
        return Answer(153, "", f"qalter: Unknown Job Id {native_id or given}\n")
    if job.state is not State.PENDING:
        code = 35 if job.state is State.ENDED else 168
        return Answer(code, "", f"qalter: Request invalid for state of job {native_id}\n")
    named = {one.kind for one in waits_for}
    pbs.model.depend(job, [*(one for one in job.dependencies if one.kind not in named), *waits_for])
    return Answer()


def _illegal(letter: str) -> Refusal:
    return Refusal(f"qsub: illegal -{letter} value", 2)


def _jobs(pbs: PbsPersonality, call: Call, order: Order) -> tuple[list[Job], Array | None, bool]:
    options = order.options
    for letter, pattern in _GOOD.items():
        if letter in options and not re.fullmatch(pattern, options[letter]):
            raise _illegal(letter)
    name = options.get("N", re.sub("[^A-Za-z0-9_.+-]", "_", order.name))
    if len(name) > 230:
        raise Refusal("qsub: Job name is too long ", 2)
    begin = _understood("a", options.get("a"), words.moment)
    variables = _variables(call, options)
    indices, limit = _array(pbs, options.get("J"))
    if not re.fullmatch("[0-7]{0,4}", order.attributes.get("umask", "")):
        raise _illegal("W")
    waits_for = _dependencies(pbs, order.attributes.get("depend"))
    queue = options.get("q", "").partition("@")[0] or next(iter(pbs.settings.queues))
    if queue not in pbs.settings.queues:
        raise Refusal("qsub: Unknown queue", 170)
    if queue in pbs.disabled:
        raise Refusal("qsub: Queue is not enabled", 173)
    if set(order.attributes) - _ATTRIBUTES:
        raise Refusal("qsub: Error (15002) submitting job", 154)
    wanted = chunks.wanted(pbs, order.resources, queue)
    source = scripts.origin(call, pbs.server, queue)
    mode = {"PBS_O_INTERACTIVE_AUTH_METHOD": "resvport", "PBS_O_INTERACTIVE_ENCRYPT_METHOD": ""}
    tail = {key: source.pop(key) for key in ("PBS_O_QUEUE", "PBS_O_HOST")}
    directory = source.pop("PBS_O_WORKDIR")
    source |= {**mode, "PBS_O_WORKDIR": directory, "PBS_O_SYSTEM": "Linux", **variables, **tail}
    number = pbs.model.next_number()
    submitted = Submitted(
        order.text,
        {**options, **order.attributes},
        wanted.resources,
        source,
        order.arguments,
        call.directory,
        wanted.lines,
        wanted.chunk,
        options.get("J", "").partition("%")[0],
    )
    pbs.remember(number, submitted)
    array = Array(f"{number}[].{pbs.server}", limit) if indices else None
    bare = pbs.bare_environment()
    in_vain = any(not pbs.find(dependency.native_id) for dependency in waits_for)

    def job(index: int | None) -> Job:
        native_id = f"{number}.{pbs.server}" if index is None else f"{number}[{index}].{pbs.server}"
        held = Wait.HELD_BY_ADMIN if in_vain else Wait.HELD_BY_USER if "h" in options else None
        return Job(
            native_id=native_id,
            number=number,
            name=name,
            user_id=call.user_id,
            queue=queue,
            request=wanted.request,
            script=Script("", (), bare["HOME"], {**bare, **source}),
            submitted=pbs.model.now(),
            dependencies=waits_for,
            held=held,
            begin=begin if begin is not None and begin > pbs.model.now() else None,
            obstacle=wanted.obstacle,
            requeue=options.get("r", "y") == "y",
            array=array,
            index=index,
        )

    elements: list[int | None] = [*indices] or [None]
    return [job(index) for index in elements], array, in_vain


def _understood(letter: str, text: str | None, read: object) -> float | None:
    try:
        return read(text) if text is not None and callable(read) else None
    except ValueError as error:
        raise _illegal(letter) from error


def _variables(call: Call, options: dict[str, str]) -> dict[str, str]:
    try:
        found, missing = words.variable_list(options.get("v", ""), call.environment)
    except ValueError:
        found, missing = {}, ["?"]
    if missing:
        raise Refusal("qsub: cannot send environment with the job", 1)
    return {**(scripts.exported(call.environment) if "V" in options else {}), **found}


def _array(pbs: PbsPersonality, text: str | None) -> tuple[list[int], int | None]:
    """The indices of `X-Y[:Z][%N]`, and how many may run at once."""
    if text is None:
        return [], None
    match = re.fullmatch(r"(\d{1,9}-\d{1,9}(?::\d{1,9})?)(?:%(\d{1,9}))?", text)
    try:
        indices = words.indices(match[1]) if match else []
    except ValueError:
        indices = []
    if match is None or len(indices) < 2:
        raise _illegal("J")
    if len(indices) >= pbs.settings.max_array_size:
        raise Refusal("qsub: Array job exceeds server or queue size limit", 3)
    return indices, int(match[2]) if match[2] else None


def _dependencies(pbs: PbsPersonality, text: str | None) -> tuple[Dependency, ...]:
    if text is None:
        return ()
    try:
        found = scripts.dependencies(text, _KINDS)
    except ValueError as error:
        raise _illegal("W") from error
    pairs = [(kind, pbs.whole_id(native_id)) for kind, native_ids in found for native_id in native_ids]
    if any(native_id is None for _, native_id in pairs):
        raise _illegal("W")
    return tuple(Dependency(kind, str(native_id)) for kind, native_id in pairs)
