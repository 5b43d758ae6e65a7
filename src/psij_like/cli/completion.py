"""`psij-like completion`: have the shell complete commands and options."""

from __future__ import annotations

import click

_USE = {
    "bash": 'add to ~/.bashrc: eval "$(psij-like completion bash)"',
    "zsh": 'add to ~/.zshrc: eval "$(psij-like completion zsh)"',
    "fish": "psij-like completion fish > ~/.config/fish/completions/psij-like.fish",
}


@click.command
@click.argument("shell", type=click.Choice([*_USE]))
def command(shell: str) -> None:
    """Print what makes a SHELL complete commands and options.

    For bash add `eval "$(psij-like completion bash)"` to ~/.bashrc, for zsh the same with zsh to ~/.zshrc; for fish
    write it to ~/.config/fish/completions/psij-like.fish.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only if it is called

    from psij_like.cli.main import main  # noqa: PLC0415

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"the version of click that is installed can not complete in {shell}")
    click.echo(f"# {_USE[shell]}")
    click.echo(kind(main, {}, "psij-like", "_PSIJ_LIKE_COMPLETE").source())
