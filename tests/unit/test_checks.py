import pytest

from psij_like._checks import Field, Record, brief, count, integer, text


class Box(Record):
    __slots__ = ("_size",)
    _defaults = {"size": 7}  # noqa: RUF012

    size = Field[int, int | None](count, "How big.", default=7)

    def __init__(self, size: int | None = None) -> None:
        self.size = size


def test_field_checks_resets_and_reads() -> None:
    box = Box()
    assert box.size == 7
    box.size = 3
    assert (box.size, repr(box)) == (3, "Box(size=3)")
    with pytest.raises(TypeError, match=r"Box\.size: 'x' is of type str, expected an int"):
        box.size = "x"  # type: ignore[assignment]
    assert box.size == 3
    box.size = None
    assert (box, repr(box)) == (Box(7), "Box()")


def test_field_is_an_ordinary_property_at_run_time() -> None:
    assert isinstance(Box.__dict__["size"], property)


def test_records_of_other_classes_differ() -> None:
    class Crate(Box):
        __slots__ = ()

    assert Box() != Crate()


def test_brief_is_brief() -> None:
    assert brief("abc") == "'abc'"
    assert len(brief("a" * 10**6)) <= 60
    assert len(brief(["a" * 100] * 1000)) < 600


def test_bool_is_no_int() -> None:
    with pytest.raises(TypeError, match="True is of type bool"):
        integer("f", True)


def test_typeguard_words_the_error() -> None:
    with pytest.raises(TypeError) as caught:
        text("f", 3)
    assert type(caught.value.__cause__).__name__ == "TypeCheckError"
