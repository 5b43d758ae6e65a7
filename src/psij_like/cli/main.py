"""The command `psij-like`: names its commands, and imports the one that is used."""

from __future__ import annotations

import importlib
import signal

import click

from psij_like import __version__

# Each is defined in the module of its name, and imported when it is used: the help of all is to come at once.
_COMMANDS = {
    "submit": "Submit a job that runs COMMAND, and print its native id alone.",
    "run": "Run COMMAND as a job: its output is shown as it comes.",
    "status": "Ask about JOBS.",
    "wait": "Wait until JOBS have ended.",
    "list": "List your jobs.",
    "info": "Tell all that is known of a JOB.",
    "logs": "Show the output of a JOB.",
    "attach": "Follow a JOB as `run` does.",
    "cancel": "Ask for JOBS to be cancelled.",
    "hold": "Keep waiting JOBS from starting.",
    "release": "Let held JOBS start.",
    "script": "Show what the scheduler would be told of a job that runs COMMAND.",
    "doctor": "Check this site end to end, and say what to fix.",
    "executors": "Tell which executors there are, and which can be used here.",
    "config": "Tell what is configured.",
    "completion": "Print what makes a SHELL complete commands and options.",
    "compat-path": "Print the directory which, put first on PYTHONPATH, makes `import psij` mean this library.",
    "conformance": "Check that the library works on this cluster, and tell others.",
    "rpc": "Speak JSON-RPC 2.0 on standard input and output.",
    "dashboard": "Collect the reports of conformance runs, and show them.",
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"psij_like.cli.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)
            raise SystemExit(130) from None
        except OSError as error:
            raise click.ClickException(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches  # noqa: PLC0415

            near = get_close_matches(args[0], _COMMANDS, 1)
            raise click.UsageError(
                f"there is no command {args[0]!r}; " + (f"did you mean {near[0]!r}?" if near else "see --help"), ctx
            ) from error


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="psij-like")
def main() -> None:
    """Submit and follow jobs the same way on every HPC scheduler."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it quietly
