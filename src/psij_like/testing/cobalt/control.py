"""`qdel`, `qhold` and `qrls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psij_like.testing.cobalt import words
from psij_like.testing.jobs import Cause, Job, State
from psij_like.testing.personality import Answer, Call

if TYPE_CHECKING:
    from psij_like.testing.cobalt import CobaltPersonality


def _ids(call: Call) -> list[str] | Answer:
    """The ids named, or what is said of a command line that is none."""
    names = [word for word in call.argv if word not in ("-d", "--debug", "--dependencies")]
    if not names:
        usage = f"Usage: {call.command}.py [options] <jobid1> [ ... <jobidN>]\n\n"
        return Answer(1, usage, "No Jobid(s) given\n\n")
    for name in names:
        if name.startswith("-"):
            return Answer(2, "", f"{call.command}.py: error: no such option: {name}\n")
        if not name.isdigit():
            return Answer(1, "", f"jobid must be an integer: {name}\n")
    return names


def _live(cobalt: CobaltPersonality, native_id: str) -> Job | None:
    return next((job for job in cobalt.model.find(native_id) if job.state is not State.ENDED), None)


def qdel(cobalt: CobaltPersonality, call: Call) -> Answer:
    """Delete jobs. Of those that nobody knows, or that are being deleted, it says nothing."""
    ids = _ids(call)
    if isinstance(ids, Answer):
        return ids
    rows = []
    for native_id in ids:
        job = _live(cobalt, native_id)
        if job is None or job.state is State.ENDING:
            continue
        cobalt.note_deletion(job, cobalt.user_name if call.user_id == job.user_id else "root")
        cobalt.model.end(job, Cause.CANCELLED, call.user_id)
        rows.append([native_id, cobalt.user_name])
    said = f"      Deleted Jobs\n{words.table(['JobID', 'User'], rows)}" if rows else ""
    return Answer(0, said, delay=cobalt.qdel_seconds)


def qhold(cobalt: CobaltPersonality, call: Call) -> Answer:
    """Hold jobs."""
    return _mark(cobalt, call, hold=True)


def qrls(cobalt: CobaltPersonality, call: Call) -> Answer:
    """Release jobs; with --dependencies, from what they wait for."""
    if "--dependencies" not in call.argv:
        return _mark(cobalt, call, hold=False)
    ids = _ids(call)
    if isinstance(ids, Answer):
        return ids
    said = "   Removed dependencies from jobs: \n"
    for native_id in ids:
        job = _live(cobalt, native_id)
        if job is not None:
            job.dependencies, job.obstacle = (), None
            if job.held is None:
                cobalt.model.release(job)
            said += f"      {native_id}\n"
    return Answer(0, said)


def _mark(cobalt: CobaltPersonality, call: Call, *, hold: bool) -> Answer:
    """Set or take the user's hold. What can't be done is told, and no failure for all that."""
    ids = _ids(call)
    if isinstance(ids, Answer):
        return ids
    done, failed = "", ""
    for native_id in ids:
        job = _live(cobalt, native_id)
        problem = _problem(job, hold=hold)
        if problem:
            failed += f"      job {native_id} {problem}\n"
        elif job is not None:
            pending = " (pending)" if job.state is not State.PENDING else ""
            _ = cobalt.model.hold(job, admin=call.admin) if hold else cobalt.model.release(job)
            done += f"      {native_id}{pending}\n"
    nobody = not any(_live(cobalt, native_id) for native_id in ids)
    errors = "   No jobs found.\nFailed to match any jobs\n" if nobody else ""
    if failed:
        failed = f"   Failed to {'place user hold on' if hold else 'remove user hold on'} jobs: \n{failed}"
    if done:
        done = f"{'Placed user hold on' if hold else '   Removed user hold on'} jobs: \n{done}"
    return Answer(0, failed + done, errors)


def _problem(job: Job | None, *, hold: bool) -> str:
    """Why the hold of a job can not be set or taken, if it can't."""
    if job is None:
        return "not found"
    if job.state is not State.PENDING:
        return "" if hold else "is already active and does not have a pending 'user hold'"
    if hold == (job.held is not None):
        return "already in state 'user hold'" if hold else "does not have a 'user hold'"
    return ""
