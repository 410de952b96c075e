"""The command line: ``streamrank COMMAND``. One file a command, loaded when it is called.

Exit codes: 0 done; 1 the command's own "no" (`replay` found a difference, `doctor` a fault, `explain` and `user` found
nothing stored, `import table` and `publish` refused rows); 2 the user can mend it (wrong usage, settings, unreachable
servers, unreadable files); 70 a fault of streamrank.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any, Final, NoReturn

import click

__all__ = ["main"]

#: command -> its module in this package and its line in the list; ``command`` is its name in the module
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("demo", "Publish, serve and ask a real purchase log."),
    "serve": ("serve", "Run a worker."),
    "gateway": ("gateway", "Run the HTTP door."),
    "topics": ("topics", "Make or list the topics."),
    "publish": ("publish", "Publish an event log."),
    "ask": ("ask", "Ask one query and print its answer."),
    "suggest": ("suggest", "Complete what a shopper types."),
    "explain": ("explain", "Explain a stored answer."),
    "user": ("user", "Show what is known of a user."),
    "event": ("event", "Publish one behaviour event or rule."),
    "consume": ("consume", "Follow answers, dead letters or events."),
    "replay": ("replay", "Run an event log through the handlers, without Kafka."),
    "evaluate": ("evaluate", "Rank a log before learning from it, and compare with baselines."),
    "experiment": ("experiment", "Report what the arms of an experiment did."),
    "import": ("import_", "Turn a shop's own files, or a public data set, into an event log."),
    "artifact": ("artifact", "Build, show or verify a model artifact."),
    "image": ("image", "Turn pictures into image vectors."),
    "doctor": ("doctor", "Check a deployment, and say what to do."),
}

#: exit code of an error that the user did not cause (EX_SOFTWARE)
SOFTWARE: Final = 70


class Lazy(click.Group):
    """A group whose commands are imported when they are called or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of a newcomer's way."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"{__name__}.{COMMANDS[name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error that says what to do is printed as one line."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            _report(error)


def _report(error: Exception) -> NoReturn:
    # imported here: only after a fault, so that --help stays fast
    from models.base.errors import ModelError
    from streamrank_client.errors import StreamrankError

    known: tuple[type[Exception], ...] = (StreamrankError, ModelError)
    embedded = sys.modules.get("streams.offline.servers")
    if embedded is not None:
        known += (embedded.ServerError,)
    if isinstance(error, known):
        click.echo(f"streamrank: {error}", err=True)
        raise click.exceptions.Exit(2)
    click.echo(
        f"streamrank: unexpected {type(error).__name__}: {error} "
        "(a fault of streamrank: run `streamrank --debug …` for its traceback)",
        err=True,
    )
    raise click.exceptions.Exit(SOFTWARE)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="streamrank")
def main(debug: bool) -> None:
    """Search and recommendation over Kafka: every click is learnt before the next answer is given.

    Settings are environment variables STREAMRANK_…, listed in docs/settings.md.

    \b
    Example: STREAMRANK_KAFKA=127.0.0.1:9092 streamrank ask --user u1 --text coffee
    """
    # imported here: --help stays fast without them
    from streamrank_client.hiding import hide_in_output
    from streamrank_client.settings import secrets_given
    from streams.settings import Settings

    hide_in_output(secrets_given(Settings))
    if not debug:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its errors come as exceptions too
