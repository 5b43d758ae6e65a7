"""Whether a job specification makes sense, whatever executor it is for.

Types were checked when the fields were set; here it is about values, and about lists, dicts and sets that were
changed after they were set.
"""

import logging
import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ._checks import brief
from .exceptions import InvalidJobException
from .job_attributes import JobAttributes, check_custom_name
from .job_spec import JobSpec
from .staging import URI, StageIn, StageOut

MAX_STRING = 131072
"""Linux' MAX_ARG_STRLEN: bytes that one argument or one NAME=value may take, with the NUL at its end."""
MAX_NAME = 255
"""Characters that a job's name may have. (Executors shorten it to what their scheduler takes.)"""

_DEEPEST = 20  # levels of lists and dicts in a custom attribute: one may hold itself
_log = logging.getLogger(__name__)
_nobodys: set[str] = set()  # owners of custom attributes that were told of
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LAUNCHER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PATHS = ("directory", "stdin_path", "stdout_path", "stderr_path", "pre_launch", "post_launch")


def validate_spec(spec: JobSpec) -> None:
    """Refuse a specification that no executor could run.

    Raises:
        InvalidJobException: the message names the field, its value (shortened; values of environment variables, which
            may be secret, are left out) and what is allowed.
    """
    executable = spec.executable
    if not executable:
        raise _invalid("executable", executable, "it must name a program")
    _check_string("executable", executable)
    for number, argument in enumerate(spec.arguments or ()):
        _check_string(f"arguments[{number}]", argument)
    for field in _PATHS:
        path: Path | None = getattr(spec, field)
        if path is not None:
            _check_text(field, str(path))
    if spec.directory is not None and not _explicit(str(spec.directory)):
        raise _invalid("directory", str(spec.directory), 'it must be absolute or start with "~/"')
    _check_environment(spec.environment or {})
    _check_name(spec)
    _check_attributes(spec.attributes)
    if spec.launcher is not None and not _LAUNCHER.fullmatch(spec.launcher):
        raise _invalid("launcher", spec.launcher, "it must be letters, digits and _ . -")
    _check_staging(spec)
    for entry in spec.cleanup or ():
        _check_cleanup(entry, spec.directory)


def _invalid(field: str, value: object, why: str) -> InvalidJobException:
    return InvalidJobException(f"{field}: {brief(value)} is not allowed, {why}")


def _check_text(field: str, text: str, show: bool = True) -> int:
    """Refuse text that cannot be passed to the operating system; returns how many bytes it takes there."""
    shown: object = text if show else "(not shown)"
    if type(text) is not str:  # put into a list or dict after it was set
        raise _invalid(field, shown, "it must be a str")
    if "\0" in text:
        raise _invalid(field, shown, "it must not hold NUL characters")
    if text.isascii():
        return len(text)
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError as error:
        why = f"character {error.start} is a lone surrogate, which has no UTF-8 encoding"
        raise _invalid(field, shown, why) from None


def _check_string(field: str, text: str) -> None:
    size = _check_text(field, text)
    if size >= MAX_STRING:
        raise _invalid(field, text, f"it takes {size} bytes, Linux allows less than {MAX_STRING}")


def _check_directive(field: str, text: str) -> None:
    """Refuse text that could end the line of a batch script it is written to."""
    if text.isprintable():
        return
    _check_text(field, text)
    if _CONTROL.search(text):
        raise _invalid(field, text, "it must not hold control characters or line breaks")


def _check_environment(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if type(name) is not str or not _VARIABLE.fullmatch(name):
            raise _invalid("environment", name, "a variable's name must match [A-Za-z_][A-Za-z0-9_]*")
        if name.startswith("PSIJ_"):
            raise _invalid("environment", name, "names that start with PSIJ_ are reserved")
        field = f"environment[{brief(name)}]"
        size = len(name) + 1 + _check_text(field, value, show=False)
        if size >= MAX_STRING:
            raise InvalidJobException(f"{field}: NAME=value takes {size} bytes, Linux allows less than {MAX_STRING}")


def _check_name(spec: JobSpec) -> None:
    name = spec.name or ""
    _check_directive("name", name)
    if spec._name is not None and len(name) > MAX_NAME:
        raise _invalid("name", name, f"it has {len(name)} characters, at most {MAX_NAME} are allowed")


def _check_attributes(attributes: JobAttributes) -> None:
    for field in ("queue_name", "account", "reservation_id"):
        text: str | None = getattr(attributes, field)
        if text is not None:
            _check_directive(f"attributes.{field}", text)
            if not text.strip():
                raise _invalid(f"attributes.{field}", text, "it must not be blank")
    for kind, jobs in (attributes.dependencies or {}).items():
        for job in jobs:
            if isinstance(job, str):
                _check_directive(f"attributes.dependencies[{kind!r}]", job)
    for name, value in (attributes.custom_attributes or {}).items():
        _check_owner(name)
        _check_custom(f"attributes.custom_attributes[{brief(check_custom_name(name))}]", value)


def _check_owner(name: str) -> None:
    """Refuse a slip in the name of an executor; what is nobody's may be for another installation, and is told once."""
    from .plugins import owner_trouble  # noqa: PLC0415 - with a custom attribute only

    prefix = check_custom_name(name).partition(".")[0]
    trouble, slip = owner_trouble(prefix)
    if slip:
        raise InvalidJobException(f"custom attribute {name!r}: {trouble}")
    if trouble and prefix not in _nobodys:
        _nobodys.add(prefix)
        _log.warning("custom attribute %r is for nobody here: %s", name, trouble)


def _check_custom(field: str, value: object, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise InvalidJobException(f"{field}: it is nested more than {_DEEPEST} levels deep")
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, Iterable) and not isinstance(value, str):
        for item in value:
            _check_custom(field, item, depth + 1)
    elif value is not None:
        try:
            shown = str(value)
        except Exception as error:
            raise InvalidJobException(f"{field}: a {type(value).__name__} that has no text ({error})") from error
        _check_directive(field, shown)


def _check_staging(spec: JobSpec) -> None:
    for field, kind in (("stage_in", StageIn), ("stage_out", StageOut)):
        for member in getattr(spec, field) or ():
            if not isinstance(member, kind):
                raise _invalid(field, member, f"it must be a {kind.__name__}")
    for entry in spec.stage_in or ():
        _check_place("stage_in source", entry.source)
        _check_file("stage_in target", str(entry.target))
    for taken in spec.stage_out or ():
        _check_file("stage_out source", str(taken.source))
        _check_place("stage_out target", taken.target)


def _check_file(field: str, path: str) -> None:
    _check_text(field, path)
    if path == ".":  # what Path makes of an empty str
        raise _invalid(field, path, "it must name a file, or a directory other than the job's own")


def _check_place(field: str, uri: URI) -> None:
    """Refuse what cannot be read or written on this machine as a file."""
    text = str(uri)
    _check_text(field, text)
    try:
        path = uri.local_path
        beyond = uri.scheme and (uri.query or uri.fragment or _CONTROL.search(text))
    except ValueError as error:
        raise _invalid(field, text, f"it is not a well-formed URI ({error})") from error
    if path is None:
        why = (
            "only plain paths and file: URIs without a host can be staged"
            " (for a file whose name looks like a URI put ./ before it)"
        )
        raise _invalid(field, text, why)
    if beyond:
        raise _invalid(field, text, "? # and control characters must be percent-encoded in a file: URI")
    _check_file(field, str(path))


def _explicit(path: str) -> bool:
    """Whether the path is absolute, or in the home directory."""
    return path.startswith(("/", "~/")) or path == "~"


def _normal(path: Path) -> Path:
    # normpath leaves two leading slashes alone; Linux takes them as one.
    return Path(posixpath.normpath(path).replace("//", "/"))


def _check_cleanup(entry: Path, directory: Path | None) -> None:
    """Refuse to remove what is not the job's: this comes before `rm -r`."""
    if not isinstance(entry, Path):
        raise _invalid("cleanup", entry, "it must be a Path")
    text = str(entry)
    _check_text("cleanup", text)
    if ".." in entry.parts:
        raise _invalid("cleanup", text, "it must not hold '..', which may lead out of the job's directory")
    if entry == Path() or entry == Path("~") or not entry.name:
        raise _invalid("cleanup", text, "it must not be the root, the home or the job's own directory")
    if directory is not None and _explicit(text):
        job, entry = _normal(directory), _normal(entry)
        if entry == job or entry in job.parents:
            why = f"the job's own directory, {brief(str(directory))}, is that or in it"
            raise _invalid("cleanup", text, why)
    if entry.is_absolute() and len(_normal(entry).parts) < 3:
        raise _invalid("cleanup", text, "it must not be one of the system's own directories")
