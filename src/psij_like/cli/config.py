"""`psij-like config`: what is configured, and where."""

from __future__ import annotations

import json

import click

from psij_like.cli.options import takes_json


@click.group
def command() -> None:
    """Tell what is configured."""


@command.command
@takes_json
@click.option("-e", "--executor", help="Whose defaults.  [default: the one that is configured]")
@click.option("-p", "--profile", help="A profile of the configuration.")
def show(as_json: bool, executor: str | None, profile: str | None) -> None:
    """Show everything that holds in this directory, and where each thing was said."""
    from psij_like import configuration  # noqa: PLC0415 - only if it is called

    try:
        settings = configuration.load({"executor": executor, "profile": profile}).settings
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({name: setting._asdict() for name, setting in settings.items()}))
        return
    for name, setting in sorted(settings.items()):
        click.echo(f"{name:20} {setting.value!r:30} {setting.origin}")
    if not settings:
        click.echo("nothing is configured")
