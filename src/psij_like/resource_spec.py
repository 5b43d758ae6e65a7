"""What a job needs of the machine."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from ._checks import Field, Record, count, integer, out_of_range, truth
from .exceptions import InvalidJobException


class ResourceSpec(ABC):
    """What all versions of the resource description have in common."""

    __slots__ = ()

    @staticmethod
    def get_instance(version: int) -> "ResourceSpec":
        """An empty resource description of that version.

        Raises:
            ValueError: there is no such version.
        """
        if version != 1:
            raise ValueError(f"no resource specification of version {version!r}: the only one is 1")
        return ResourceSpecV1()

    @property
    @abstractmethod
    def version(self) -> int:
        """The version of this description."""


def _gpu_count(field: str, value: object) -> int:
    number = integer(field, value)
    return number if number >= 0 else out_of_range(field, value, "at least 0")


class ResourceSpecV1(Record, ResourceSpec):
    """Nodes that are all alike, running processes that are all alike.

    `process_count = node_count * processes_per_node` always holds. What is not given follows from it; where
    that leaves a choice there is one node, and one process on each. `computed_node_count`,
    `computed_process_count` and `computed_processes_per_node` say what that comes to.

    Args:
        node_count: number of nodes.
        process_count: number of processes, on all nodes together.
        processes_per_node: number of processes on each node.
        cpu_cores_per_process: cores for each process; the backend's default if None.
        gpu_cores_per_process: GPUs for each process; 0 and None are none.
        exclusive_node_use: whether no other job may share the nodes.
        memory: bytes, for the whole job; the backend's default if None.

    Raises:
        InvalidJobException: a count is below 1, or the counts contradict each other. Setters raise it too and change
            nothing then: set those that no longer hold to None first.
        TypeError: an argument has the wrong type.
    """

    __slots__ = (
        "_cpu_cores_per_process",
        "_exclusive_node_use",
        "_gpu_cores_per_process",
        "_memory",
        "_node_count",
        "_process_count",
        "_processes_per_node",
    )
    _defaults: ClassVar[dict[str, object]] = {
        "node_count": None,
        "process_count": None,
        "processes_per_node": None,
        "cpu_cores_per_process": None,
        "gpu_cores_per_process": None,
        "exclusive_node_use": False,
        "memory": None,
    }

    _process_count: int | None
    _processes_per_node: int | None

    def __init__(  # as in PSI/J
        self,
        node_count: int | None = None,
        process_count: int | None = None,
        processes_per_node: int | None = None,
        cpu_cores_per_process: int | None = None,
        gpu_cores_per_process: int | None = None,
        exclusive_node_use: bool = False,
        memory: int | None = None,
    ) -> None:
        self._process_count = self._processes_per_node = None  # each setter below looks at the other two
        self.node_count = node_count
        self.process_count = process_count
        self.processes_per_node = processes_per_node
        self.cpu_cores_per_process = cpu_cores_per_process
        self.gpu_cores_per_process = gpu_cores_per_process
        self.exclusive_node_use = exclusive_node_use
        self.memory = memory

    @property
    def version(self) -> int:
        """1."""
        return 1

    @property
    def node_count(self) -> int | None:
        """Number of nodes, as given."""
        return self._node_count

    @node_count.setter
    def node_count(self, value: int | None) -> None:
        if value is not None:
            value = count("ResourceSpecV1.node_count", value)
            _agree(value, self._process_count, self._processes_per_node)
        self._node_count = value

    @property
    def process_count(self) -> int | None:
        """Number of processes on all nodes together, as given."""
        return self._process_count

    @process_count.setter
    def process_count(self, value: int | None) -> None:
        if value is not None:
            value = count("ResourceSpecV1.process_count", value)
            _agree(self._node_count, value, self._processes_per_node)
        self._process_count = value

    @property
    def processes_per_node(self) -> int | None:
        """Number of processes on each node, as given."""
        return self._processes_per_node

    @processes_per_node.setter
    def processes_per_node(self, value: int | None) -> None:
        if value is not None:
            value = count("ResourceSpecV1.processes_per_node", value)
            _agree(self._node_count, self._process_count, value)
        self._processes_per_node = value

    cpu_cores_per_process = Field[int | None, int | None](count, "Cores for each process, or None.")
    gpu_cores_per_process = Field[int | None, int | None](_gpu_count, "GPUs for each process, or None.")
    exclusive_node_use = Field[bool, bool | None](truth, "Whether no other job may share the nodes.", default=False)
    memory = Field[int | None, int | None](count, "Bytes, for the whole job, or None.")

    @property
    def computed_node_count(self) -> int:
        """Number of nodes."""
        if self._node_count is not None:
            return self._node_count
        if self._process_count is not None and self._processes_per_node is not None:
            return self._process_count // self._processes_per_node
        return 1

    @property
    def computed_process_count(self) -> int:
        """Number of processes on all nodes together."""
        if self._process_count is not None:
            return self._process_count
        return self.computed_node_count * (self._processes_per_node or 1)

    @property
    def computed_processes_per_node(self) -> int:
        """Number of processes on each node."""
        return self._processes_per_node or self.computed_process_count // self.computed_node_count


class Resources(NamedTuple):
    """What a job asks for, with every default filled in.

    Attributes:
        nodes: number of nodes.
        processes: number of processes (ranks).
        processes_per_node: processes on each node.
        cores_per_process: CPU cores for each process.
        gpus_per_process: GPUs for each process.
        exclusive: whether the nodes are for this job alone.
        memory: bytes for the whole job; None leaves it to the scheduler.
    """

    nodes: int = 1
    processes: int = 1
    processes_per_node: int = 1
    cores_per_process: int = 1
    gpus_per_process: int = 0
    exclusive: bool = False
    memory: int | None = None

    @property
    def memory_per_node(self) -> int | None:
        """Bytes on each node, rounded up."""
        return None if self.memory is None else -(-self.memory // self.nodes)


def resolve(spec: ResourceSpec | None) -> Resources:
    """What a resource description (or none) comes to, with every default filled in.

    Raises:
        InvalidJobException: it is of a version that is not known here.
    """
    if spec is None:
        return Resources()
    if not isinstance(spec, ResourceSpecV1):
        raise InvalidJobException(f"JobSpec.resources: version {spec.version} is not known here; use ResourceSpecV1")
    return Resources(
        spec.computed_node_count,
        spec.computed_process_count,
        spec.computed_processes_per_node,
        spec.cpu_cores_per_process or 1,
        spec.gpu_cores_per_process or 0,
        bool(spec.exclusive_node_use),
        spec.memory,
    )


def _agree(nodes: int | None, processes: int | None, per_node: int | None) -> None:
    """Refuse counts of which `processes = nodes * per_node` cannot hold."""
    if processes is None:
        return
    if nodes is not None and per_node is not None and processes != nodes * per_node:
        raise InvalidJobException(
            f"ResourceSpecV1: process_count is {processes}, it must be node_count * processes_per_node,"
            f" which is {nodes} * {per_node} = {nodes * per_node}"
        )
    for name, divisor in (("node_count", nodes), ("processes_per_node", per_node)):
        if divisor is not None and processes % divisor:
            raise InvalidJobException(
                f"ResourceSpecV1: process_count is {processes}, it must be a multiple of {name}, {divisor}"
            )
