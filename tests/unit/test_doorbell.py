"""The doorbell has no authority: the right text makes somebody look, and any other text nothing at all."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psij_like._engine.doorbell import Doorbell, open_doorbell


@pytest.fixture
def bell() -> Iterator[Doorbell]:
    doorbell = Doorbell("127.0.0.1")
    yield doorbell
    doorbell._socket.close()


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        yield made


def send(sender: socket.socket, bell: Doorbell, data: bytes) -> None:
    sender.sendto(data, (bell.address, bell.port))


def rings(bell: Doorbell) -> list[str]:
    time.sleep(0.001)  # datagrams on the loopback are there at once, almost
    return list(bell.rings())


def test_a_job_rings(bell: Doorbell, sender: socket.socket) -> None:
    assert rings(bell) == []
    for directory in ("one", "two"):
        address, port, text = bell.of(directory)
        sender.sendto(text.encode(), (address, port))
    assert rings(bell) == ["one", "two"]
    assert rings(bell) == []


def test_defect_06_forged_rings_are_ignored(bell: Doorbell, sender: socket.socket) -> None:
    """Defect 6: whoever does not know a job's own text, which is derived from a secret, is not heard."""
    other = Doorbell("127.0.0.1")
    own, foreign = bell.of("job")[2], other.of("job")[2]
    other._socket.close()
    assert own != foreign
    name, _, token = own.partition(" ")
    forged = [foreign, "job", "job ", f"jab {token}", f"{name} {token[:-1]}", f"{own} ", f" {own}", own + "0", own * 2]
    forged += [f"{name} {'0' * 32}", f"{name}  {token}", f"{name}\n{token}", f"{name} {token.upper()}x", "COMPLETED"]
    for text in forged:
        send(sender, bell, text.encode())
    assert rings(bell) == []
    send(sender, bell, own.encode())
    assert rings(bell) == ["job"]


def test_the_text_of_one_job_says_nothing_about_another(bell: Doorbell) -> None:
    tokens = {bell.of(f"job{number}")[2].split(" ")[1] for number in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 32 for token in tokens)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=400), max_size=10))
def test_defect_06_garbage_is_ignored(bell: Doorbell, sender: socket.socket, datagrams: list[bytes]) -> None:
    for datagram in datagrams:
        send(sender, bell, datagram)
    send(sender, bell, bell.of("job")[2].encode())
    assert rings(bell) == ["job"]


def test_defect_06_a_flood_is_taken_in_portions(bell: Doorbell, sender: socket.socket) -> None:
    """However much comes in, a tracker gets back to its work; nothing grows meanwhile."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5000):
        send(sender, bell, b"x" * 200)
    started = time.monotonic()
    assert list(bell.rings()) == []
    assert time.monotonic() - started < 0.5
    while rings(bell):
        pass
    for _ in range(10):
        list(bell.rings())
    send(sender, bell, bell.of("job")[2].encode())
    assert rings(bell) == ["job"]
    assert len(os.listdir("/proc/self/fd")) == before


def test_defect_06_after_a_flood_the_doorbell_is_deaf_for_a_moment(sender: socket.socket) -> None:
    bell = Doorbell("127.0.0.1", limit=3)
    for _ in range(5):
        send(sender, bell, bell.of("job")[2].encode())
    assert rings(bell) == ["job"] * 3
    assert 0 < bell.deaf_for() <= 1
    assert rings(bell) == []
    deadline = time.monotonic() + 5
    while not (heard := rings(bell)):
        assert time.monotonic() < deadline
    assert heard == ["job"] * 2
    bell._socket.close()


def test_where_there_can_be_no_doorbell_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    assert open_doorbell("192.0.2.1") is None
    assert "next poll" in caplog.text


def test_an_address_is_found() -> None:
    doorbell = open_doorbell()
    assert doorbell is not None
    assert doorbell.address.count(".") == 3
    assert doorbell.port > 0
    doorbell._socket.close()
