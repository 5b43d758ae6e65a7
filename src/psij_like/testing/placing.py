"""On which nodes a job fits."""

from __future__ import annotations

from collections.abc import Iterable

from psij_like.testing.jobs import Node, Request


def place(request: Request, nodes: Iterable[Node]) -> list[tuple[Node, int, int]] | None:
    """Choose nodes for a job: (node, tasks on it, slots taken there) for each; None if it doesn't fit now."""
    names = request.nodelist
    usable = [node for node in nodes if node.up and not node.exclusive and not (request.exclusive and node.jobs)]
    # Nodes that were asked for by name come first and must be there; otherwise in the cluster's order.
    if not set(names) <= {node.name for node in usable}:
        return None
    usable.sort(key=lambda node: node.name not in names)
    if request.nodes is None and request.tasks_per_node is None:
        shares = _as_few(request, usable, len(names))
    else:
        shares = _spread(request, usable, len(names))
    if shares is None or len(shares) < len(names):
        return None
    return [(node, tasks, _slots(request, node, tasks)) for node, tasks in shares]


def fits_ever(request: Request, nodes: Iterable[Node]) -> bool:
    """Whether the job would fit if nothing else ran and all nodes were up."""
    return place(request, [Node(node.name, node.slots) for node in nodes]) is not None


def _slots(request: Request, node: Node, tasks: int) -> int:
    return node.slots if request.exclusive else max(1, tasks * request.slots_per_task)


def _as_few(request: Request, nodes: list[Node], at_least: int) -> list[tuple[Node, int]] | None:
    shares: list[tuple[Node, int]] = []
    left = request.tasks
    for node in nodes:
        if left <= 0 and len(shares) >= at_least:
            break
        room = (node.slots - node.used) // max(1, request.slots_per_task)
        if room > 0:
            shares.append((node, min(room, max(left, 0))))
            left -= room
    return shares if left <= 0 else None


def _spread(request: Request, nodes: list[Node], at_least: int) -> list[tuple[Node, int]] | None:
    per_node = request.tasks_per_node
    count = request.nodes or max(at_least, -(-request.tasks // (per_node or 1)))
    base, more = divmod(request.tasks, count)
    wanted = [base + (position < more) for position in range(count)]
    if per_node is not None:
        wanted, left = [], request.tasks
        for _ in range(count):
            wanted.append(min(per_node, left))
            left -= wanted[-1]
    shares: list[tuple[Node, int]] = []
    for node in nodes:
        if len(shares) == count:
            break
        tasks = wanted[len(shares)]
        if node.slots - node.used >= max(1, tasks * request.slots_per_task):
            shares.append((node, tasks))
    return shares if len(shares) == count else None
