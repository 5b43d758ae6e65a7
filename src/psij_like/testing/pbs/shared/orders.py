"""`qdel`, `qhold`, `qrls` and `qsig`: what they do to each job that they name."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from psij_like.testing.jobs import Cause, Job, State, Wait
from psij_like.testing.options import OptionError, Options
from psij_like.testing.pbs.shared.family import QsubPersonality
from psij_like.testing.personality import Answer, Call


class Trouble(Enum):
    """Why something can't be done to a job."""

    NO_ID = auto()
    UNKNOWN = auto()
    ENDED = auto()
    STATE = auto()
    FORBIDDEN = auto()


@dataclass(frozen=True)
class Orders:
    """The commands of one kind.

    Attributes:
        personality: the scheduler's.
        usage: what each command says that is not understood.
        say: `say(command, trouble, id, job)` is a line on standard error, and an exit code.
        holds_elements: whether an element of an array can be held and released, or the whole only.
    """

    personality: QsubPersonality
    usage: Mapping[str, str]
    say: Callable[[str, Trouble, str, Job | None], tuple[str, int]]
    holds_elements: bool = True

    def parsed(self, call: Call, options: Options) -> tuple[dict[str, str], list[str]] | Answer:
        """The options of a call and the ids that it names, or what is said if there are none."""
        usage = self.usage[call.command]
        try:
            found, ids = options.parse(call.argv)
        except OptionError as error:
            return Answer(2, "", f"{call.command}: {error}\n{usage}")
        chosen = dict(found)
        if "t" in chosen:  # elements of the arrays that are named
            ids = [native_id.replace("[]", f"[{chosen['t']}]") for native_id in ids]
        return (chosen, ids) if ids else Answer(2, "", usage)

    def qhold(self, call: Call, options: Options, holds: str) -> Answer:
        """Hold jobs, or as `qrls` release them; `holds` are the letters of the kinds of holds that there are."""
        parsed = self.parsed(call, options)
        if isinstance(parsed, Answer):
            return parsed
        chosen, ids = parsed
        kinds = chosen.get("h", "u")
        if not re.fullmatch(f"[{holds}]+", kinds):
            return Answer(2, "", f"{call.command}: illegal -h value\n{self.usage[call.command]}")
        refused = [] if self.holds_elements else [native_id for native_id in ids if re.search(r"\[[0-9]", native_id)]
        wholes = [native_id for native_id in ids if native_id not in refused]
        answer = self.each(call, wholes, self.hold(call, kinds, release=call.command == "qrls"))
        said = "".join(f"{call.command}: Invalid request {self.personality.whole_id(one)}\n" for one in refused)
        return Answer(156 if refused else answer.exit_code, "", answer.stderr + said)

    def qsig(self, call: Call, options: Options) -> Answer:
        """Send jobs a signal."""
        parsed = self.parsed(call, options)
        if isinstance(parsed, Answer):
            return parsed
        chosen, ids = parsed
        return self.each(call, ids, self.signal(call, chosen.get("s", "TERM")))

    def each(self, call: Call, ids: Iterable[str], act: Callable[[Job], Trouble | None]) -> Answer:
        """Do something to each job; the exit code is that of the last trouble."""
        said, code = "", 0
        for given in ids:
            native_id = self.personality.whole_id(given)
            jobs = self.personality.find(native_id) if native_id else []
            if native_id is None or not jobs:
                line, code = self.say(call.command, Trouble.UNKNOWN if native_id else Trouble.NO_ID, given, None)
                said += line
                continue
            troubles = [(job, act(job)) for job in jobs]
            # An array is in trouble only if all of it is.
            if all(trouble is not None for _, trouble in troubles):
                job, trouble = troubles[0]
                line, code = self.say(call.command, trouble or Trouble.STATE, native_id, job)
                said += line
        return Answer(code, "", said)

    def delete(self, call: Call, *, force: bool = False, purge: bool = False) -> Callable[[Job], Trouble | None]:
        """End a job; `force`: at once; `purge`: and leave no trace."""
        model = self.personality.model

        def act(job: Job) -> Trouble | None:
            if job.state is State.ENDED:
                if not purge:
                    return Trouble.ENDED
                model.forget(job)
                return None
            ran = job.state is not State.PENDING and job.script is not None
            if force and ran:
                job.options = {**job.options, "forced": "yes"}
                model.signal(job, signal.SIGKILL)
            model.end(job, Cause.CANCELLED, call.user_id)
            if purge and ran:
                self.personality.purged.add(job.native_id)
            elif purge:
                model.forget(job)
            return None

        return act

    def hold(self, call: Call, kinds: str, *, release: bool) -> Callable[[Job], Trouble | None]:
        """Hold a job, or release it; holds of other kinds than the user's are the administrator's."""

        def act(job: Job) -> Trouble | None:
            model = self.personality.model
            if job.state is State.ENDED:
                return Trouble.ENDED
            if set(kinds) - set("un") and not call.admin:
                return Trouble.FORBIDDEN
            if job.state is not State.PENDING:
                # It is only marked: nothing can be held back any more.
                job.options = {**job.options, "hold": "n" if release else "u"}
                job.row = None
            elif not release:
                model.hold(job, admin=set(kinds) != {"u"})
            elif job.held is not Wait.HELD_BY_ADMIN or call.admin:
                model.release(job)
            return None

        return act

    def signal(self, call: Call, name: str) -> Callable[[Job], Trouble | None]:
        """Send a signal; `suspend` and `resume` are the administrator's."""
        number = _number(name)

        def act(job: Job) -> Trouble | None:
            model = self.personality.model
            if job.state is State.ENDED:
                return Trouble.ENDED
            if name in ("suspend", "resume"):
                if not call.admin:
                    return Trouble.FORBIDDEN
                done = model.suspend(job) if name == "suspend" else model.resume(job)
                return None if done else Trouble.STATE
            if job.state not in (State.RUNNING, State.SUSPENDED) or number is None:
                return Trouble.STATE
            model.signal(job, number)
            return None

        return act


def _number(name: str) -> int | None:
    if name.isdigit():
        return int(name)
    long = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
    return int(signal.Signals[long]) if long in signal.Signals.__members__ else None
