"""The exceptions users see."""

# ruff: noqa: N818  # the names are PSI/J's

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psij_like.job import Job


class _JobError(Exception):
    """A message, and the exception that led to it, if any."""

    def __init__(self, message: str, exception: BaseException | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.exception = exception
        if exception is not None:
            self.__cause__ = exception


class InvalidJobException(_JobError):
    """The job itself is wrong, and submitting it again cannot help.

    `message` (str) says which field is wrong, its value and what is allowed; `exception` is the
    underlying error or None.
    """


class SubmitException(_JobError):
    """A request (submit, cancel, ...) could not be delivered to the backend.

    `message` (str) says why; `exception` is the underlying error or None; `transient` (bool, default
    False) says whether trying again may help.
    """

    def __init__(self, message: str, exception: BaseException | None = None, transient: bool = False) -> None:
        super().__init__(message, exception)
        self.transient = transient


class SubmissionUnknownException(SubmitException):
    """The request may or may not have reached the scheduler.

    Never transient: submitting again might run the job twice. The job stays recoverable: what is on disk
    and what the scheduler says will tell, later, whether it was accepted.
    """

    def __init__(self, message: str, exception: BaseException | None = None) -> None:
        super().__init__(message, exception, transient=False)


class BulkSubmitException(SubmitException):
    """Some of many jobs could not be submitted; all the others were.

    `failures` (dict) has the exception of each job that was not: an InvalidJobException or a SubmitException. Transient
    if all of them are.
    """

    def __init__(self, failures: Mapping[Job, Exception]) -> None:
        errors = list(failures.values())
        words = "; ".join(dict.fromkeys(str(error) for error in errors[:5]))
        transient = all(isinstance(error, SubmitException) and error.transient for error in errors)
        super().__init__(f"{len(errors)} jobs were not submitted: {words}", errors[0], transient)
        self.failures = dict(failures)


class UnreachableStateException(_JobError):
    """A job has reached a state from which the awaited one cannot follow.

    Here for compatibility: `Job.wait` returns the status instead of raising this.
    """
