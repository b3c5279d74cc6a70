"""init, status, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill.settings import load_settings

console = Console()


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(init)
    app.command()(status)
    app.command()(doctor)


def init(
    mode: Annotated[str, typer.Option("--mode", help="paper, sandbox or live: deployments of this mode.")] = "paper",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented tidemill.toml here and, for another mode than paper, its deployments."""
    from tidemill.operations.init import write_initial_files

    for path in write_initial_files(Path.cwd(), mode, force=force):
        console.print(f"wrote {path}")


def status() -> None:
    """Show account, equity, positions, open orders, stops and the newest decisions."""
    from tidemill.operations.status import status_tables

    for table in status_tables():
        console.print(table)


def doctor(
    live: Annotated[bool, typer.Option("--live", help="Also check everything that live trading needs.")] = False,
) -> None:
    """Say what is missing, and what to do about it; exit 1 when something is."""
    from tidemill.operations.doctor import examine

    rows = Table("", "what", "finding", box=None)
    findings = examine(load_settings, live=live)
    for finding in findings:
        sign = (
            "[green]ok[/green]" if finding.ok else "[yellow]note[/yellow]" if finding.optional else "[red]missing[/red]"
        )
        rows.add_row(sign, finding.subject, Text(" ".join(finding.text.split())))
    console.print(rows)
    raise typer.Exit(0 if all(finding.ok or finding.optional for finding in findings) else 1)
