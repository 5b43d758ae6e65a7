# requirements are named as in the interface: S1, J7

import pickle

import pytest

from psij_like.exceptions import (
    InvalidJobException,
    SubmissionUnknownException,
    SubmitException,
    UnreachableStateException,
)


@pytest.mark.parametrize("kind", [InvalidJobException, SubmitException, SubmissionUnknownException])
def test_message_and_cause(kind: type[InvalidJobException] | type[SubmitException]) -> None:
    cause = OSError("no")
    error = kind("sbatch failed", cause)
    assert (str(error), error.message, error.exception, error.__cause__) == (
        "sbatch failed",
        "sbatch failed",
        cause,
        cause,
    )
    assert kind("x").exception is None
    assert kind("x").__cause__ is None


def test_E3_transient() -> None:
    assert not SubmitException("x").transient
    assert SubmitException("x", transient=True).transient
    assert SubmitException("x", None, True).transient


def test_E3_unknown_outcome_is_a_submit_exception_and_never_transient() -> None:
    error = SubmissionUnknownException("timed out")
    assert isinstance(error, SubmitException)
    assert error.transient is False


def test_pickle_keeps_the_attributes() -> None:
    error = pickle.loads(pickle.dumps(SubmitException("x", OSError("y"), transient=True)))
    assert (error.message, str(error.exception), error.transient) == ("x", "y", True)


def test_unreachable_state_exists() -> None:
    assert UnreachableStateException("x").message == "x"
