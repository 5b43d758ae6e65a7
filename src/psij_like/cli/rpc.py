"""`psij-like rpc`: a door for programs in other languages."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click


@click.command
@click.option("--work-directory", type=click.Path(path_type=Path), help="Where jobs are remembered.")
def command(work_directory: Path | None) -> None:
    """Speak JSON-RPC 2.0 on standard input and output, one message a line.

    Methods: executors, capabilities, submit, submit_bulk, cancel, hold, release, status, info, list, attach, recover.
    Changes of jobs are told by notifications named "status". At the end of the input it ends; the jobs go on.
    """
    try:
        from psij_like import rpc  # noqa: PLC0415 - its library may be missing
    except ImportError as error:
        raise click.ClickException(f"{error}; install it with: pip install 'psij-like[rpc]'") from error
    from psij_like.job_executor import JobExecutorConfig  # noqa: PLC0415 - only if it is called

    config = None if work_directory is None else JobExecutorConfig(work_directory=work_directory)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # nobody may read the answers any more; what was asked for is done
    rpc.serve(sys.stdin.buffer, sys.stdout, config)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # and what is left of the answers is nothing to complain of at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
