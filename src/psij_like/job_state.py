"""The states of a job and their order."""

from enum import Enum

_FIRST_FINAL = 6


class JobState(Enum):
    """Where a job stands.

    `NEW < QUEUED < STAGE_IN < ACTIVE < STAGE_OUT < CLEANUP < {COMPLETED, FAILED, CANCELED}`; the three
    final states are not comparable with each other. `str(state)` is the name.
    """

    NEW = 0
    """Not submitted yet."""
    QUEUED = 1
    """With the backend, waiting for resources."""
    STAGE_IN = 2
    """Input files are being brought to the job's directory."""
    ACTIVE = 3
    """Running."""
    STAGE_OUT = 4
    """Output files are being brought away."""
    CLEANUP = 5
    """Files are being removed from the job's directory."""
    COMPLETED = 6
    """Ended with exit code 0."""
    FAILED = 7
    """Ended in any other way but by cancellation."""
    CANCELED = 8
    """Ended because somebody cancelled it."""

    final: bool
    """True for COMPLETED, FAILED and CANCELED: the job's state will not change any more."""
    _rank: int

    def __init__(self, value: int) -> None:
        self.final = value >= _FIRST_FINAL
        self._rank = min(value, _FIRST_FINAL)

    def is_greater_than(self, other: "JobState") -> bool | None:
        """Whether this state comes after the other one.

        False for equal states; None when neither can follow the other (two different final states).

        Raises:
            TypeError: the other one is no state.
        """
        if not isinstance(other, JobState):
            raise TypeError(f"other: {other!r} is of type {type(other).__name__}, expected a JobState")
        if self._rank == other._rank:
            return False if self is other else None
        return self._rank > other._rank

    @classmethod
    def from_name(cls, name: str) -> "JobState":
        """The state of that name.

        Raises:
            ValueError: there is none; the message lists those there are.
        """
        try:
            return cls[name]
        except KeyError:
            raise ValueError(f"no job state {name!r}: expected one of {', '.join(cls.__members__)}") from None

    def __str__(self) -> str:
        return self.name

    # Members are singletons, and Enum's own hash is a slow Python function.
    __hash__ = object.__hash__
