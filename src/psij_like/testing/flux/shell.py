"""The job shell: starts a job's tasks, waits for them, and exits with the greatest of their exit codes.

It is run as a program of its own, `python shell.py FILE`; FILE holds what it is to do, as JSON.
"""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Be the shell."""
    job: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    # What ends the tasks ends the shell only after them.
    for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda *_: None)
    tasks = {}
    for rank, own in enumerate(job["ranks"]):
        pid = os.fork()
        if pid == 0:
            _become(job, rank, {**job["environment"], **own})
        tasks[pid] = rank
    _wait(job, tasks)


def _become(job: dict[str, Any], rank: int, environment: dict[str, str]) -> None:
    """Turn this forked process into a task."""
    code = 127
    try:
        argv = job["argv"]
        os.execvpe(argv[0], argv, environment)  # noqa: S606
    except OSError as error:
        code = 126 if isinstance(error, PermissionError) else 127
        text = f"task {rank} (host {job['host']}): start failed: {job['argv'][0]}: {error.strerror}"
        with contextlib.suppress(OSError):
            Path(job["problem"]).write_bytes(os.fsencode(text))
    finally:
        os._exit(code)


def _wait(job: dict[str, Any], tasks: dict[int, int]) -> None:
    """Wait for the tasks; those that are left when the others have been over for long are killed."""
    most, patience, deadline = 0, job["exit_timeout"], None
    while tasks:
        pid, status = os.waitpid(-1, os.WNOHANG if deadline else 0)
        if pid == 0:
            if deadline is not None and time.monotonic() > deadline:
                for task in tasks:
                    os.kill(task, signal.SIGKILL)
                deadline = None
            else:
                time.sleep(0.05)
            continue
        if tasks.pop(pid, None) is None:
            continue
        code = os.waitstatus_to_exitcode(status)
        most = max(most, code if code >= 0 else 128 - code)
        if patience is not None:
            deadline, patience = time.monotonic() + patience, None
    sys.exit(most)


if __name__ == "__main__":
    main()
