# requirements are named as in the interface: S1, J7

import warnings
from datetime import timedelta
from typing import Any

import pytest

from psij_like.exceptions import InvalidJobException
from psij_like.job_attributes import JobAttributes


def test_J5_duration_defaults_to_ten_minutes() -> None:
    attributes = JobAttributes()
    assert attributes.duration == timedelta(minutes=10)
    attributes.duration = timedelta(hours=1)
    assert attributes.duration == timedelta(hours=1)
    attributes.duration = None
    assert attributes.duration == timedelta(minutes=10)


@pytest.mark.parametrize("duration", [timedelta(), timedelta(seconds=-1)])
def test_J5_duration_must_be_positive(duration: timedelta) -> None:
    with pytest.raises(InvalidJobException, match=r"JobAttributes\.duration: .* must be positive"):
        JobAttributes(duration=duration)


@pytest.mark.parametrize("duration", [timedelta.max, timedelta(days=36525, microseconds=1)])
def test_J5_duration_has_a_limit(duration: timedelta) -> None:
    with pytest.raises(InvalidJobException, match=r"JobAttributes\.duration: .* must be at most 100 years"):
        JobAttributes(duration=duration)
    assert JobAttributes(duration=timedelta(days=36525)).duration == timedelta(days=36525)


@pytest.mark.parametrize("field", ["queue_name", "account", "reservation_id", "project_name"])
def test_empty_means_not_set(field: str) -> None:
    attributes = JobAttributes(**{field: ""})  # type: ignore[arg-type]
    assert getattr(attributes, field) is None
    assert attributes == JobAttributes()
    setattr(attributes, field, "x")
    assert getattr(attributes, field) == "x"
    setattr(attributes, field, "")
    assert getattr(attributes, field) is None


def test_project_name_is_the_account_silently() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attributes = JobAttributes(project_name="p")
        assert (attributes.account, attributes.project_name) == ("p", "p")
        attributes.project_name = "q"
        assert attributes.account == "q"
    assert attributes == JobAttributes(account="q")
    assert JobAttributes(account="p", project_name="p").account == "p"
    with pytest.raises(InvalidJobException, match="'a' and project_name 'b'"):
        JobAttributes(account="a", project_name="b")


def test_custom_attributes() -> None:
    attributes = JobAttributes()
    assert attributes.custom_attributes is None
    assert attributes.get_custom_attribute("slurm.qos") is None
    attributes.set_custom_attribute(name="slurm.qos", value="high")
    assert attributes.get_custom_attribute("slurm.qos") == "high"
    assert attributes.custom_attributes == {"slurm.qos": "high"}
    given = {"lsf.alloc_flags": "smt4", "pbs.l": 3}
    attributes.custom_attributes = given
    given.clear()
    assert attributes.custom_attributes == {"lsf.alloc_flags": "smt4", "pbs.l": 3}


@pytest.mark.parametrize("name", ["constraint", "slurm.", ".x", "slurm.a b", "slurm.a\n", "slurm.a=b", ""])
def test_custom_attribute_names(name: str) -> None:
    with pytest.raises(InvalidJobException, match=r"must look like <executor>.<directive>"):
        JobAttributes(custom_attributes={name: 1})
    with pytest.raises(InvalidJobException, match=r"must look like <executor>.<directive>"):
        JobAttributes().set_custom_attribute(name, 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1:02:03", 3723),
        ("01:30", 5400),
        ("45", 2700),
        ("3 h", 10800),
        ("3h", 10800),
        ("10 m", 600),
        ("30s", 30),
        ("90M", 5400),
        ("1h30m", 5400),
        ("2d 12h", 216000),
        ("1-02:03:04", 93784),
        (" 5 ", 300),
    ],
)
def test_walltime(text: str, seconds: int) -> None:
    assert JobAttributes.parse_walltime(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", " ", "x", "1:2:3:4", "-5", "1.5h", "30m1h", "5 w", "9" * 30, "٣"])
def test_walltime_not_understood(text: str) -> None:
    with pytest.raises(InvalidJobException, match=r"walltime: .* is not understood, it must look like"):
        JobAttributes.parse_walltime(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration": 600},
        {"queue_name": 3},
        {"account": b"a"},
        {"project_name": 1},
        {"reservation_id": ["r"]},
        {"custom_attributes": ["a"]},
        {"custom_attributes": {3: 1}},
    ],
)
def test_wrong_types(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="expected"):
        JobAttributes(**wrong)


def test_equality_and_repr() -> None:
    assert JobAttributes(queue_name="q") == JobAttributes(queue_name="q")
    assert JobAttributes(queue_name="q") != JobAttributes(queue_name="r")
    assert JobAttributes(custom_attributes={"a.b": 1}) != JobAttributes()
    assert repr(JobAttributes(queue_name="q")) == "JobAttributes(queue_name='q')"
