"""Checked fields: what public constructors and setters do with what they are given.

A check is a function `(field, value) -> value to keep`. It decides by exact type, which takes a fraction of
a microsecond; whatever that does not settle goes to typeguard, imported only then, which also words the
TypeError. (typeguard's decorators cost a hundred times as much, and `python -O` switches them off.)
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, overload

from .exceptions import InvalidJobException

Got = TypeVar("Got")
Given = TypeVar("Given")
Kind = TypeVar("Kind")

_STR = frozenset([str])


def brief(value: object) -> str:
    """The value's repr, shortened for an error message."""
    from reprlib import Repr  # noqa: PLC0415

    shortened = Repr()
    shortened.maxstring = shortened.maxother = 60
    return shortened.repr(value)


def wrong_type(field: str, value: object, allowed: str) -> TypeError:
    """The error for a value of a type the field cannot take."""
    return TypeError(f"{field}: {brief(value)} is of type {type(value).__name__}, expected {allowed}")


def by_typeguard(field: str, value: Any, expected: Any, allowed: str) -> Any:
    """The value, if it is of the expected type, which may be any typing construct.

    Raises:
        TypeError: it is not; the message names the field, the value and what is allowed.
    """
    from typeguard import CollectionCheckStrategy, TypeCheckError, check_type  # noqa: PLC0415

    try:
        return check_type(value, expected, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError as error:
        refusal = wrong_type(field, value, allowed)
        raise TypeError(f"{refusal} ({error})") from error


def text(field: str, value: Any) -> str:
    """Check a str; a subclass's instance is kept as a plain str."""
    if type(value) is str:
        return value
    return str.__str__(by_typeguard(field, value, str, "a str"))


def label(field: str, value: Any) -> str | None:
    """Check a str whose empty value means "not set", and is kept as None."""
    return text(field, value) or None


def truth(field: str, value: Any) -> bool:
    """Check a bool."""
    if type(value) is bool:
        return value
    return bool(by_typeguard(field, value, bool, "True or False"))


def integer(field: str, value: Any) -> int:
    """Check an int; True and False are none."""
    if type(value) is int:
        return value
    if type(value) is bool:
        raise wrong_type(field, value, "an int")
    return int(by_typeguard(field, value, int, "an int"))


def count(field: str, value: Any) -> int:
    """Check an int of at least 1."""
    number = integer(field, value)
    return number if number >= 1 else out_of_range(field, value, "at least 1")


def out_of_range(field: str, value: object, allowed: str) -> NoReturn:
    """Refuse a value of the right type."""
    raise InvalidJobException(f"{field}: {brief(value)} is not allowed, it must be {allowed}")


def path(field: str, value: Any) -> Path | None:
    """Check a str or Path and keep a Path; an empty str means "not set", and is kept as None."""
    if isinstance(value, Path):
        return value
    if type(value) is not str:
        value = text(field, by_typeguard(field, value, str | Path, "a str or Path"))
    return Path(value) if value else None


def texts(field: str, value: Any) -> list[str]:
    """Check a list of str and keep a copy."""
    if type(value) is list and _STR.issuperset(map(type, value)):
        return value.copy()
    return [str.__str__(item) for item in by_typeguard(field, value, list[str], "a list of str")]


def variables(field: str, value: Any) -> dict[str, str]:
    """Check a mapping of str to str or int, and keep it as a dict with the numbers as text."""
    if type(value) is dict and _STR.issuperset(map(type, (*value, *value.values()))):
        return value.copy()
    allowed = "a dict of str to str or int"
    if not isinstance(value, Mapping):
        value = by_typeguard(field, value, Mapping, allowed)
    for name, item in value.items():  # one by one: the others, which may be secret, are in no message
        by_typeguard(field, name, str, "names that are str")
        by_typeguard(f"{field}[{brief(name)}]", item, str | int, "a str or int")
    return {str.__str__(k): str.__str__(v) if isinstance(v, str) else str(v) for k, v in value.items()}


def instance(kind: type[Kind]) -> Callable[[str, Any], Kind]:
    """Make the check for instances of a class."""

    def check(field: str, value: Any) -> Kind:
        if isinstance(value, kind):
            return value
        refused: Kind = by_typeguard(field, value, kind, f"a {kind.__name__}")
        return refused

    return check


def set_of(check: Callable[[str, Any], Kind | None], allowed: str) -> Callable[[str, Any], set[Kind]]:
    """Make the check for any iterable but a str, whose members pass the given check; a set is kept."""

    def check_all(field: str, value: Any) -> set[Kind]:
        if isinstance(value, str):  # an iterable too, but of letters
            raise wrong_type(field, value, allowed)
        if not isinstance(value, Iterable):
            value = by_typeguard(field, value, Iterable, allowed)
        kept = set()
        for item in value:
            member = check(field, item)
            if member is None:
                out_of_range(field, item, "without empty members")
            kept.add(member)
        return kept

    return check_all


class Field(Generic[Got, Given]):
    """Declares a property kept in the slot `_<name>`, assignments to which are checked.

    Got is the type it reads as, Given the type it accepts. Assigning None resets it to the default.
    """

    def __init__(self, check: Callable[[str, Any], Got], doc: str, default: Any = None) -> None:
        self._check = check
        self._doc = doc
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        """Put an ordinary property in this object's place: it reads at C speed, and `help()` shows it."""
        keep = owner.__dict__["_" + name].__set__
        check, default, field = self._check, self._default, f"{owner.__name__}.{name}"

        def assign(record: object, value: object) -> None:
            keep(record, default if value is None else check(field, value))

        setattr(owner, name, property(attrgetter("_" + name), assign, doc=self._doc))

    if TYPE_CHECKING:

        @overload
        def __get__(self, record: None, owner: type) -> "Field[Got, Given]": ...
        @overload
        def __get__(self, record: object, owner: type) -> Got: ...
        def __get__(self, record: object | None, owner: type) -> Any: ...
        def __set__(self, record: object, value: Given) -> None: ...


class Record:  # noqa: PLW1641  # records change, so they have no hash
    """An object that equals another of its class when all fields are equal, and shows those that are set.

    `_defaults` names the fields, in the constructor's order, with the value each has in its slot
    `_<name>` when it is not set.
    """

    __slots__ = ()
    _defaults: ClassVar[dict[str, object]] = {}
    _read: ClassVar[Callable[[Any], tuple[Any, ...]]]

    def __init_subclass__(cls) -> None:
        cls._read = attrgetter("__class__", "__class__", *(f"_{name}" for name in cls._defaults))  # always a tuple

    def _values(self) -> tuple[Any, ...]:
        """All fields, in the constructor's order."""
        return type(self)._read(self)[2:]

    def _set_fields(self) -> dict[str, Any]:
        """The fields that are set, by name."""
        return {
            name: value
            for (name, unset), value in zip(self._defaults.items(), self._values(), strict=True)
            if value is not unset and value != unset
        }

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._defaults)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._set_fields().items())
        return f"{type(self).__name__}({fields})"
