"""Runs the processes of a step, as `srun` does: a program of its own, in the place of the command that was called."""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any


def main() -> None:
    """The only argument is a `Launch` as JSON, with the command's name and the cluster's socket."""
    launch: dict[str, Any] = json.loads(sys.argv[1])
    keep = launch["keep"]
    kept = {name: value for name, value in os.environ.items() if keep is None or name.startswith(tuple(keep))}
    pids: dict[int, int] = {}
    printers = []
    for rank, variables in enumerate(launch["ranks"]):
        out, outer = os.pipe() if launch["label"] else (-1, -1)
        pid = os.fork()
        if pid == 0:
            _become(launch["argv"], {**kept, **variables}, outer, launch["missing"])
        pids[pid] = rank
        if launch["label"]:
            os.close(outer)
            printers.append(threading.Thread(target=_print, args=(out, rank)))
            printers[-1].start()

    def pass_on(number: int, _: FrameType | None) -> None:
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, pass_on)
    code = 0
    while pids:
        pid, status = os.wait()
        if pid not in pids:
            continue
        rank = pids.pop(pid)
        ended = os.waitstatus_to_exitcode(status)
        if ended:
            words = f"Exited with exit code {ended}" if ended > 0 else signal.strsignal(-ended)
            where = f"{launch['command']}: error: {launch['nodes'][rank]}: task {rank}"
            os.write(2, f"{where}: {words}\n".encode())
        code = max(code, ended if ended >= 0 else 128 - ended)
    for printer in printers:
        printer.join()
    _report(launch["socket"], launch["job"], code)
    sys.exit(code)


def _become(argv: list[str], environment: dict[str, str], out: int, missing: str) -> None:
    code = 2  # what srun's own processes exit with
    try:
        if out >= 0:
            os.dup2(out, 1)
        os.execvpe(argv[0], argv, environment)  # noqa: S606
    except OSError as error:
        os.write(2, os.fsencode(missing.format(program=argv[0], problem=error.strerror) + "\n"))
        code = 13 if isinstance(error, PermissionError) else 2
    finally:
        os._exit(code)


def _print(descriptor: int, rank: int) -> None:
    with open(descriptor, "rb") as lines:
        for line in lines:
            os.write(1, f"{rank}: ".encode() + line)


def _report(address: str, job: str, code: int) -> None:
    """Tell the cluster how the step ended; if it is gone, nobody needs to know."""
    words = ["", "/", "2", "step", json.dumps({"job": job, "code": code})]
    text = "\0".join(words).encode()
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(b"%08d" % len(text) + text)
        connection.recv(8)


if __name__ == "__main__":
    main()
