"""Options of submit commands: generated ones merged with the user's own, and the figures in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def merged(generated: Mapping[str, object], custom: Mapping[str, object]) -> Iterator[tuple[str, str | None]]:
    """Name and value of each option, None for a flag: a custom one takes the place of a generated one.

    None and False leave an option out, "" and True make it a flag, a list gives it several times.
    """
    for name, value in {**generated, **custom}.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is True or one == "":
                yield name, None
            elif one is not None and one is not False:
                yield name, str(one)


def clock(seconds: int) -> str:
    """A duration as H:MM:SS."""
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def minutes(seconds: int) -> int:
    """Whole minutes, rounded up."""
    return -(-seconds // 60)


def mebibytes(size: int) -> int:
    """Whole MiB (2**20 bytes), rounded up."""
    return -(-size // 2**20)
