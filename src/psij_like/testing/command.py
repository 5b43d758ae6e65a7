"""The stand-in for a scheduler's command: says to the cluster how it was called, and does as it is told.

A copy of this file is the program that is run, once for each call: it must start quickly, so it imports next to
nothing (`_socket` costs half of what `socket` does). What it says is framed: eight digits, then so many bytes.
"""

import _socket
import os
import sys


def main(variable: str) -> None:
    """Be the command whose name this was started under. `variable` names the cluster, if it is set."""
    directory, _, command = sys.argv[0].rpartition("/")
    place = os.environ.get(variable, "").rpartition("://")[2].rpartition("/")[0] if variable else ""
    if not place or not os.path.exists(f"{place}/socket"):  # noqa: PTH110
        place = f"{directory or '.'}/.."
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        # Through its directory: a socket's path may have no more than a hundred bytes.
        here = os.getcwd()  # noqa: PTH109
    except OSError:
        here = "/"
    try:
        os.chdir(place)
        connection.connect("socket")
    except OSError as error:
        os.write(2, os.fsencode(f"{command}: error: the simulated cluster in {place} is gone: {error}\n"))
        os._exit(1)
    os.chdir(here)
    words = [command, here, str(len(sys.argv) - 1), *sys.argv[1:]]
    variables = [name + b"=" + value for name, value in os.environb.items()]
    _send(connection, b"\0".join([*map(os.fsencode, words), *variables]))
    while True:
        head = _receive(connection, 8)
        if head == b"STDIN...":
            _send(connection, sys.stdin.buffer.read())
            continue
        if head == b"LAUNCH..":
            program = _receive(connection, int(_receive(connection, 8)))
            words = [sys.executable, "-I", "-S", f"{os.path.abspath(directory)}/../ranks.py", os.fsdecode(program)]  # noqa: PTH100
            os.execv(sys.executable, words)  # noqa: S606
        if not head:
            os.write(2, os.fsencode(f"{command}: error: the simulated cluster went away\n"))
            os._exit(1)
        code = int(head)
        for descriptor in (1, 2):
            _write(descriptor, _receive(connection, int(_receive(connection, 8))))
        os._exit(code)


def _send(connection: _socket.socket, text: bytes) -> None:
    connection.sendall(b"%08d" % len(text) + text)


def _receive(connection: _socket.socket, size: int) -> bytes:
    parts = []
    while size and (part := connection.recv(min(size, 1 << 20))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(descriptor: int, text: bytes) -> None:
    try:
        while text:
            text = text[os.write(descriptor, text) :]
    except OSError:
        pass  # nobody reads it
