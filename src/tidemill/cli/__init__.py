"""The command `tidemill`: thin, one function a command.

Exit codes: 0 done, 1 failed or a difference, 2 bad input, 3 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tidemill.cli import account as records
from tidemill.cli import data, research
from tidemill.cli import run as running
from tidemill.cli import setup as setting_up
from tidemill.domain.errors import ConfigurationError, DataError, TidemillError

INTERRUPTED = 3
TYPERS_INTERRUPTED = 130

app = typer.Typer(
    name="tidemill",
    help="A self-hosted data and trading pipeline on Prefect 3. Start with: tidemill demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(version: bool) -> None:
    if version:
        typer.echo(f"tidemill {metadata.version('tidemill')}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A self-hosted data and trading pipeline on Prefect 3. Start with: tidemill demo."""


running.register(app)
research.register(app)
setting_up.register(app)
records.register(app)
app.add_typer(data.app, name="data")
app.add_typer(records.account_app, name="account")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (default: the process's own arguments); turn errors into one sentence and an exit code."""
    try:
        code = app(arguments, standalone_mode=False)  # what a command's typer.Exit says comes back as a value
        sys.exit(INTERRUPTED if code == TYPERS_INTERRUPTED else code or 0)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except TidemillError as error:
        sentence = Text.assemble(("tidemill:", "red"), " ", " ".join(str(error).split()))  # a driver's error has lines
        Console(stderr=True).print(sentence, soft_wrap=True)
        sys.exit(2 if isinstance(error, (DataError, ConfigurationError)) else 1)
    except OSError as error:
        # of the machine, not of ours: no right, no room, a file that is gone
        Console(stderr=True).print(Text.assemble(("tidemill:", "red"), f" {_system_refusal(error)}"), soft_wrap=True)
        sys.exit(1)
    except Exception as error:  # a usage error of the command line carries its own text and code
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            sys.exit(2)
        raise


def _system_refusal(error: OSError) -> str:
    """What the operating system refused, and of which file."""
    refusal = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {refusal}" if error.filename else refusal
