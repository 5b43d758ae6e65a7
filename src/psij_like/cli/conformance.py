"""`psij-like conformance`: does the library work on this cluster?"""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.group
def command() -> None:
    """Check that the library works on this cluster, and tell others."""


@command.command
@click.option("--executor", required=True, help="What is tested, such as slurm.")
@click.option("--url", help="Which instance of its backend.")
@click.option("--launcher", help="For jobs of several processes, such as srun.")
@click.option("--queue", help="For all jobs.")
@click.option("--account", help="For all jobs.")
@click.option("--reservation", help="For all jobs.")
@click.option(
    "--custom", multiple=True, metavar="NAME=VALUE", help="A custom attribute of all jobs, such as slurm.qos=debug."
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="The shortest time limit that the site allows, in minutes.",
)
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="How many nodes a job may have.")
@click.option(
    "--only", multiple=True, metavar="WORD", help="Only tests with this in their names, or of this statement (S3)."
)
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), help="Where the report goes.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where jobs run; the nodes must see it too.  [default: ~/.psij-like/conformance]",
)
@click.option(
    "--patience",
    type=click.FloatRange(1),
    default=3600.0,
    show_default=True,
    help="Seconds for each job, queue included.",
)
def run(
    executor: str,
    url: str | None,
    launcher: str | None,
    queue: str | None,
    account: str | None,
    reservation: str | None,
    custom: tuple[str, ...],
    time_limit: float,
    nodes: int,
    only: tuple[str, ...],
    report: Path | None,
    directory: Path | None,
    patience: float,
) -> None:
    """Submit some fifty small jobs, and check what becomes of them.

    They wait in the queue together. Ctrl-C cancels them, and the report says what came of those that were done. It
    exits with 0 if all is well, 1 if something failed, 2 if it was interrupted, 4 if it could not begin, and 5 if no
    test is meant.
    """
    try:
        from psij_like.conformance import run as runner  # noqa: PLC0415 - it needs more than the command line does
        from psij_like.conformance.plugin import parse_custom  # noqa: PLC0415
    except ImportError as error:
        raise click.ClickException(f"{error}; install it with: pip install 'psij-like[conformance]'") from error
    from psij_like.conformance.settings import Settings  # noqa: PLC0415

    where = {} if directory is None else {"directory": directory.expanduser().absolute()}
    try:
        attributes = parse_custom(list(custom))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    settings = Settings(
        executor=executor,
        url=url,
        launcher=launcher,
        queue=queue,
        account=account,
        reservation=reservation,
        custom=attributes,
        nodes=nodes,
        time_limit=time_limit,
        patience=patience,
        **where,
    )
    sys.exit(runner.run(settings, only, report))
