from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psij_like.exceptions import InvalidJobException
from psij_like.resource_spec import ResourceSpec, ResourceSpecV1

SHAPE = ("node_count", "process_count", "processes_per_node")
counts = st.none() | st.integers(1, 12)


def computed(spec: ResourceSpecV1) -> tuple[int, int, int]:
    return spec.computed_node_count, spec.computed_process_count, spec.computed_processes_per_node


@pytest.mark.parametrize(
    ("given_fields", "expected"),
    [
        ({}, (1, 1, 1)),
        ({"process_count": 8}, (1, 8, 8)),
        ({"node_count": 3}, (3, 3, 1)),
        ({"processes_per_node": 4}, (1, 4, 4)),
        ({"process_count": 8, "node_count": 1}, (1, 8, 8)),  # RADICAL-Pilot
        ({"process_count": 8, "processes_per_node": 4}, (2, 8, 4)),
        ({"node_count": 2, "processes_per_node": 4}, (2, 8, 4)),
        ({"node_count": 2, "process_count": 8, "processes_per_node": 4}, (2, 8, 4)),
    ],
)
def test_computed_counts(given_fields: dict[str, int], expected: tuple[int, int, int]) -> None:
    assert computed(ResourceSpecV1(**given_fields)) == expected  # type: ignore[arg-type]


@given(counts, counts, counts)
def test_counts_agree_or_are_refused(nodes: int | None, processes: int | None, per_node: int | None) -> None:
    possible = any(
        nodes in (None, n) and processes in (None, n * p) and per_node in (None, p)
        for n in range(1, 13)
        for p in range(1, 13)
    )
    try:
        spec = ResourceSpecV1(nodes, processes, per_node)
    except InvalidJobException:
        assert not possible
        return
    assert possible
    got = computed(spec)
    assert got[1] == got[0] * got[2]
    for value, kept, result in zip((nodes, processes, per_node), map(spec.__getattribute__, SHAPE), got, strict=True):
        assert kept == value
        assert value in (None, result)


@given(counts, counts, counts, st.sampled_from(SHAPE), counts)
def test_setters_agree_with_the_constructor(
    nodes: int | None, processes: int | None, per_node: int | None, field: str, value: int | None
) -> None:
    fields = dict(zip(SHAPE, (nodes, processes, per_node), strict=True))
    try:
        spec = ResourceSpecV1(**fields)  # type: ignore[arg-type]
    except InvalidJobException:
        return
    before = ResourceSpecV1(**fields)  # type: ignore[arg-type]
    try:
        expected = ResourceSpecV1(**(fields | {field: value}))  # type: ignore[arg-type]
    except InvalidJobException:
        with pytest.raises(InvalidJobException, match=r"process_count is .* it must be"):
            setattr(spec, field, value)
        assert spec == before
    else:
        setattr(spec, field, value)
        assert spec == expected


@pytest.mark.parametrize("field", [*SHAPE, "cpu_cores_per_process", "memory"])
@pytest.mark.parametrize("value", [0, -1])
def test_counts_below_one_are_refused(field: str, value: int) -> None:
    message = rf"ResourceSpecV1\.{field}: {value} is not allowed, it must be at least 1"
    with pytest.raises(InvalidJobException, match=message):
        ResourceSpecV1(**{field: value})  # type: ignore[arg-type]
    with pytest.raises(InvalidJobException, match=message):
        setattr(ResourceSpecV1(), field, value)


def test_no_gpus_can_be_asked_for() -> None:
    assert ResourceSpecV1(gpu_cores_per_process=0).gpu_cores_per_process == 0
    with pytest.raises(InvalidJobException, match=r"gpu_cores_per_process: -1 .* at least 0"):
        ResourceSpecV1(gpu_cores_per_process=-1)


@pytest.mark.parametrize("field", [*SHAPE, "cpu_cores_per_process", "gpu_cores_per_process", "memory"])
@pytest.mark.parametrize("value", [True, "2", 1.0])
def test_wrong_types(field: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"ResourceSpecV1\.{field}: .* expected an int"):
        ResourceSpecV1(**{field: value})


def test_exclusive() -> None:
    assert ResourceSpecV1().exclusive_node_use is False
    assert ResourceSpecV1(exclusive_node_use=True).exclusive_node_use is True
    with pytest.raises(TypeError, match=r"exclusive_node_use: 1 .* True or False"):
        ResourceSpecV1(exclusive_node_use=1)  # type: ignore[arg-type]


def test_defect_09_equality_includes_memory() -> None:
    assert ResourceSpecV1(memory=1) != ResourceSpecV1(memory=2)
    assert ResourceSpecV1(memory=1) == ResourceSpecV1(memory=1)
    assert ResourceSpecV1() != ResourceSpecV1(exclusive_node_use=True)


def test_version() -> None:
    instance = ResourceSpec.get_instance(1)
    assert isinstance(instance, ResourceSpecV1)
    assert instance.version == 1
    with pytest.raises(ValueError, match="version 2"):
        ResourceSpec.get_instance(2)
    with pytest.raises(TypeError):
        ResourceSpec()  # type: ignore[abstract]


def test_repr_shows_what_is_set() -> None:
    assert repr(ResourceSpecV1()) == "ResourceSpecV1()"
    assert repr(ResourceSpecV1(node_count=2)) == "ResourceSpecV1(node_count=2)"
