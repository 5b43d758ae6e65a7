"""Files that are brought to a job, taken from it, or removed after it."""

import re
from enum import Enum, Flag
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from ._checks import Record, instance, path, text

if TYPE_CHECKING:
    from urllib.parse import ParseResult

_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class URI(str):
    """The text of a URI or of a plain path, and its parts.

    Text that begins with neither a scheme (`file:`) nor `//` is a plain path: all of it is `.path`,
    whatever `?`, `#`, `;` or `%` it holds. A Path always becomes a plain path. As a str it compares,
    hashes and prints as its text.

    The parts may be read when the text is well-formed; if it is not (an unclosed `[`, a port that is no
    number) reading them raises ValueError.
    """

    __slots__ = ()

    def __new__(cls, value: str | Path) -> "URI":
        """Keep a str as it is, and a Path as a plain path.

        Raises:
            TypeError: the value is neither a str nor a Path.
        """
        if isinstance(value, Path):
            value = str(value)
            if value.startswith("//"):  # two slashes would begin a host name; Linux takes them as one
                value = value[1:]
            elif _HAS_SCHEME.match(value):
                value = f"./{value}"
        return super().__new__(cls, text("URI", value))

    def _parts(self) -> "ParseResult":
        from urllib.parse import ParseResult, urlparse  # noqa: PLC0415

        if self.startswith("//") or _HAS_SCHEME.match(self):
            return urlparse(str(self))
        return ParseResult("", "", str(self), "", "", "")

    @property
    def scheme(self) -> str:
        """The scheme in lower case, or ''."""
        return self._parts().scheme

    @property
    def netloc(self) -> str:
        """User, password, host and port as written, or ''."""
        return self._parts().netloc

    @property
    def hostname(self) -> str | None:
        """The host in lower case, or None."""
        return self._parts().hostname

    @property
    def port(self) -> int | None:
        """The port number, or None."""
        return self._parts().port

    @property
    def username(self) -> str | None:
        """The user name, or None."""
        return self._parts().username

    @property
    def password(self) -> str | None:
        """The password, or None."""
        return self._parts().password

    @property
    def path(self) -> str:
        """The path as written: percent-encoded if there is a scheme."""
        return self._parts().path

    @property
    def params(self) -> str:
        """What follows `;` in the path's last part, for schemes that have it, or ''."""
        return self._parts().params

    @property
    def query(self) -> str:
        """What follows `?`, or ''."""
        return self._parts().query

    @property
    def fragment(self) -> str:
        """What follows `#`, or ''."""
        return self._parts().fragment

    @property
    def local_path(self) -> Path | None:
        """The path to use on this machine, percent-decoded; None if the URI speaks of anything else.

        Local are plain paths and `file:` URIs whose host is empty or `localhost`.
        """
        parts = self._parts()
        if parts.scheme not in ("", "file") or parts.netloc.lower() not in ("", "localhost"):
            return None
        if not parts.scheme:
            return Path(parts.path)
        from urllib.parse import unquote  # noqa: PLC0415

        return Path(unquote(parts.path, errors="surrogateescape"))

    def __repr__(self) -> str:
        return f"URI({str(self)!r})"


class StagingMode(Enum):
    """How a file is brought to its target."""

    COPY = "copy"
    """The source stays; the target is independent of it."""
    LINK = "link"
    """The target is a symbolic link to the source."""
    MOVE = "move"
    """The source is gone afterwards."""

    def __str__(self) -> str:
        return self.name


class StageOutFlags(Flag):
    """When a file is taken from a job, or the job's files are removed."""

    NONE = 0
    """Never."""
    IF_PRESENT = 1
    """A missing source is no error. It comes with one of the others."""
    ON_SUCCESS = 2
    """When the job exited with code 0."""
    ON_ERROR = 4
    """When it failed."""
    ON_CANCEL = 8
    """When it was cancelled."""
    ALWAYS = ON_SUCCESS | ON_ERROR | ON_CANCEL
    """However it ended."""


_mode = instance(StagingMode)
_flags = instance(StageOutFlags)


class _Transfer(Record):
    """A value: its fields never change, so that sets may hold it."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(self._values())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._values()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make another one")


class StageIn(_Transfer):
    """A file or directory to bring to the job before it is launched.

    Args:
        source: where it is: a URI, or a path.
        target: where the job finds it: a path, relative to the job's directory unless absolute.
        mode: how it is brought there.

    Raises:
        TypeError: an argument has the wrong type.
    """

    __slots__ = ("_mode", "_source", "_target")
    _defaults: ClassVar[dict[str, object]] = {"source": None, "target": None, "mode": StagingMode.COPY}

    _source: URI
    _target: Path
    _mode: StagingMode

    def __init__(self, source: URI | Path | str, target: Path | str, mode: StagingMode = StagingMode.COPY) -> None:
        keep = object.__setattr__
        keep(self, "_source", URI(source))
        keep(self, "_target", path("StageIn.target", target) or Path())
        keep(self, "_mode", _mode("StageIn.mode", mode))

    @property
    def source(self) -> URI:
        """Where the file is."""
        return self._source

    @property
    def target(self) -> Path:
        """Where the job finds it."""
        return self._target

    @property
    def mode(self) -> StagingMode:
        """How it is brought there."""
        return self._mode


class StageOut(_Transfer):
    """A file or directory to take from the job after it has ended.

    Args:
        source: where the job leaves it: a path, relative to the job's directory unless absolute.
        target: where to bring it: a URI, or a path, relative to the job's directory unless absolute.
        flags: when.
        mode: how it is brought there.

    Raises:
        TypeError: an argument has the wrong type.
    """

    __slots__ = ("_flags", "_mode", "_source", "_target")
    _defaults: ClassVar[dict[str, object]] = {
        "source": None,
        "target": None,
        "flags": StageOutFlags.ALWAYS,
        "mode": StagingMode.COPY,
    }

    _source: Path
    _target: URI
    _flags: StageOutFlags
    _mode: StagingMode

    def __init__(
        self,
        source: Path | str,
        target: URI | Path | str,
        flags: StageOutFlags = StageOutFlags.ALWAYS,
        mode: StagingMode = StagingMode.COPY,
    ) -> None:
        keep = object.__setattr__
        keep(self, "_source", path("StageOut.source", source) or Path())
        keep(self, "_target", URI(target))
        keep(self, "_flags", _flags("StageOut.flags", flags))
        keep(self, "_mode", _mode("StageOut.mode", mode))

    @property
    def source(self) -> Path:
        """Where the job leaves the file."""
        return self._source

    @property
    def target(self) -> URI:
        """Where it is brought."""
        return self._target

    @property
    def flags(self) -> StageOutFlags:
        """When it is brought there."""
        return self._flags

    @property
    def mode(self) -> StagingMode:
        """How it is brought there."""
        return self._mode
