"""`psij-like compat-path`: where programs find this library as `psij`."""

from __future__ import annotations

import click


@click.command("compat-path")
def command() -> None:
    """Print the directory which, put first on PYTHONPATH, makes `import psij` mean this library.

    export PYTHONPATH=$(psij-like compat-path):$PYTHONPATH
    """
    from psij_like import compat  # noqa: PLC0415 - only if it is called

    click.echo(compat.path())
