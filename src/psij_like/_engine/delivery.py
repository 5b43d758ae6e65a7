"""Hands jobs over to a batch scheduler, so that each runs exactly once whatever becomes of the client meanwhile.

The intent is on disk before the submit command runs, and that command's answer is on disk before anybody reads it.
What an earlier client left in the middle can so be found out, or be submitted again once the places of its copies are
taken.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from psij_like._engine.backend import Backend, Refused
from psij_like._engine.batch_source import BatchSource
from psij_like._engine.doorbell import Doorbell
from psij_like._engine.host import CommandError, CommandMissing, CommandNotStarted, Result
from psij_like._engine.job_files import Submission
from psij_like._engine.plan import Inheritance, Plan, array_data, body_data, element_data
from psij_like._engine.retry import persistently
from psij_like._engine.submitter import this_process
from psij_like.exceptions import SubmissionUnknownException, SubmitException
from psij_like.serialize import spec_to_dict


@dataclass
class Attempt:
    """A submission under way.

    Attributes:
        open: whether the backend may have the job though nobody knows yet: it must not be submitted again, and what is
            remembered of it stays.
        withdraw: takes back a request that was not sent yet; False if it is too late for that.
    """

    open: bool = False
    withdraw: Callable[[], bool] | None = None

    def settle(self) -> None:
        """It is given up: what was not sent is not sent any more."""
        if self.open and self.withdraw is not None and self.withdraw():
            self.open = False


def intent_of(executor: str, plans: Sequence[Plan]) -> dict[str, object]:
    """What is remembered of jobs before they are handed over."""
    return {
        "executor": executor,
        "submitted": time.time(),
        "submitter": this_process(),
        "jobs": [{"job_id": plan.job_id, "spec": spec_to_dict(plan.spec, lossy=True)} for plan in plans],
    }


class Delivery:
    """The way to one batch scheduler.

    Args:
        source: runs its commands.
        retry_for: for how many seconds a submission that is refused for now is made again.
    """

    def __init__(self, source: BatchSource, retry_for: float) -> None:
        self._source = source
        self._retry_for = retry_for

    @property
    def _backend(self) -> Backend:
        return self._source.backend

    def write_down(self, submission: Submission, plans: Sequence[Plan], bell: Doorbell | None) -> None:
        """Write all that jobs need, and the intent to submit them.

        They differ in what their bodies are told, and in nothing that the scheduler is told. One of them is submitted
        alone, several as an array.
        """
        plan = plans[0]
        inheritance = self._inheritance(plan)
        rings = [bell.of(each.job_id) if bell is not None else None for each in plans]
        how = {"token": plan.token, "walltime": plan.walltime, "array": plan.array is not None}
        if plan.array is None:
            data = body_data(plan, rings[0], inheritance, self._backend.verified)
        else:
            data = array_data(inheritance)
            verified = self._backend.verified
            lines = (f"{element_data(each, ring, verified)}\n" for each, ring in zip(plans, rings, strict=True))
            submission.write("elements", "".join(lines))
        for name, text in self._backend.extra_files(plan).items():
            submission.write(name, text)
        submission.write(f"submit.{plan.token}", self._backend.script(plan), 0o700)
        submission.write_body(data, intent_of(self._backend.name, plans) | how)

    def _inheritance(self, plan: Plan) -> Inheritance:
        """What the job's body has to add to the environment it finds, and what to take away."""
        passes = self._backend.passes_environment
        if passes is None or passes is plan.spec.inherit_environment:
            return Inheritance()
        inherited = self._backend.environment(os.environ)
        if passes is False:
            return Inheritance(add=inherited)
        return Inheritance(remove=frozenset(inherited))

    def hand_over(self, plan: Plan, submission: Submission, attempt: Attempt) -> str:
        """Run the submit command, again while it is refused for now; the native id.

        A refusal may be wrong ("timed out"): each further try, and whoever is told of the last one, can be sure that no
        copy of an earlier one runs.

        Raises:
            SubmissionUnknownException: nobody knows whether the scheduler took it.
            SubmitException: it did not.
        """
        tries = itertools.count()

        def hand_over() -> str:
            nonlocal plan
            if next(tries):
                token = submission.renew()
                runs = submission.claimant() if token is None else None
                if runs is not None:
                    return runs
                plan = replace(plan, token=token or plan.token)
            native_id = self._hand_over(plan, submission, attempt)
            return self._overtaken(submission) if submission.voided(plan.token) else native_id

        try:
            return persistently(hand_over, self._retry_for)
        except SubmitException:
            # Whoever hears of the refusal may submit the job again, so no copy of this one may run from now on.
            runs = None if attempt.open or submission.renew() else submission.claimant()
            if runs is None:
                raise
            return runs

    def _hand_over(self, plan: Plan, submission: Submission, attempt: Attempt) -> str:
        command = self._backend.submit_command(plan, submission.path(f"submit.{plan.token}"))
        try:
            attempt.open = True  # an interruption from here on leaves the command running
            result = self._source.run(command, output=submission.path(f"answer.{plan.token}"))
        except CommandMissing as error:
            attempt.open = False
            raise SubmitException(f"{error}; {self._backend.install_hint}", error) from error
        except CommandNotStarted as error:
            attempt.open = False
            raise SubmitException(str(error), error, error.transient) from error
        except CommandError as error:
            raise self._unknown(str(error), submission, error) from error
        if result.exit_code < 0:
            raise self._unknown(f"signal {-result.exit_code} ended {result}", submission)
        try:
            return self._backend.native_id(result)
        except Refused as error:
            attempt.open = False
            raise SubmitException(f"{self._backend.name} refused the job: {error}", error, error.transient) from error
        except ValueError as error:
            raise self._unknown(f"{self._backend.name}: {error}", submission, error) from error

    def _overtaken(self, submission: Submission) -> str:
        """Another process has taken this one for dead meanwhile, and submitted the job again: which copy runs."""
        runs = submission.claimant()
        if runs is None:
            raise self._unknown("another process has taken over the submission", submission)
        return runs

    def _unknown(self, what: str, submission: Submission, error: Exception | None = None) -> SubmissionUnknownException:
        message = f"{what}; the job may have been accepted. Its files are in {submission.directory}"
        return SubmissionUnknownException(message, error)

    def found_out(self, submission: Submission, plan: Plan) -> str | None:
        """The native id of what an earlier client submitted, if it did; else it is submitted again.

        None if that can not be done safely now.
        """
        claimant = submission.claimant() if self._backend.claims_by_id else None
        return claimant or self._printed_id(submission) or self._again(submission, plan)

    def _printed_id(self, submission: Submission) -> str | None:
        """The id that the submit command of a client printed which did not live to read it."""
        out = submission.host.read(submission.path(f"answer.{submission.token()}"))
        try:
            return self._backend.native_id(Result((), 0, out, "")) if out else None
        except (Refused, ValueError):
            return None

    def _again(self, submission: Submission, plan: Plan) -> str | None:
        token = submission.renew()
        if token is None:
            return submission.claimant()  # it has just started
        return self.hand_over(replace(plan, token=token), submission, Attempt())
