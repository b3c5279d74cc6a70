"""data import, export, gaps, completeness, quarantine, release, prune."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tidemill.cli.options import End, JsonPath, Start, target, time_option, write_json
from tidemill.domain.errors import DataError

app = typer.Typer(help="Market data in files and in the store.", no_args_is_help=True)
console = Console()
InstrumentId = Annotated[
    str | None, typer.Option("--instrument", metavar="ID", help="BASE-QUOTE.VENUE, such as BTC-USDT.BINANCE.")
]
Timeframe = Annotated[str | None, typer.Option("--timeframe", help="1m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 12h or 1d.")]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A recording (.toml) or a file of bars: CSV, Parquet, feather, JSON.")],
    layout: Annotated[
        str, typer.Option("--format", help="auto, csv, parquet, headerless, freqtrade or cryptodatadownload.")
    ] = "auto",
    venue: Annotated[str, typer.Option("--venue", help="Venue of the instrument, where the file does not say.")] = "",
    instrument: InstrumentId = None,
    timeframe: Timeframe = None,
    json: JsonPath = None,
) -> None:
    """Store bars of a file: checked, defects counted and told, holes recorded with their cause."""
    from tidemill.operations.imports import import_path

    report = import_path(file, layout=layout, venue=venue, instrument_id=instrument, timeframe=timeframe)
    write_json(json, report.to_json())
    names = ("series", "rows", "stored", "rejected", "quarantined", "missing", "defects")
    _show([series.to_row() for series in report.series], names)


@app.command()
def export(
    out: Annotated[
        Path, typer.Option("--out", callback=target("file"), help="File to write: .parquet, .csv or .csv.gz.")
    ],
    instrument: InstrumentId = None,
    timeframe: Timeframe = None,
    start: Start = None,
    end: End = None,
    as_of: Annotated[
        object | None,
        typer.Option("--as-of", parser=time_option("--as-of"), metavar="TIME", help="Only what was known by then."),
    ] = None,
) -> None:
    """Write stored bars to a file; a timeframe that is not stored is resampled from the finest one."""
    from tidemill.operations.data import export_bars

    if not (instrument and timeframe and start and end):
        raise DataError("export needs --instrument, --timeframe, --from and --to")
    until = as_of if isinstance(as_of, datetime) else None
    written = export_bars(out, instrument=instrument, timeframe=timeframe, start=start, end=end, as_of=until)
    console.print(f"wrote {written:,} bars to {out}")


@app.command()
def gaps(
    repaired: Annotated[bool, typer.Option("--all", help="Also what was repaired, merged or withdrawn since.")] = False,
    json: JsonPath = None,
) -> None:
    """Show every hole: where bars are missing, how many, why, and what became of it."""
    from tidemill.operations.data import report_gaps

    report = report_gaps(repaired=repaired)
    write_json(json, report.to_json())
    _show(report.to_rows(), ("series", "from", "to", "missing", "cause", "state"), nothing="no hole is known")


@app.command()
def completeness(json: JsonPath = None) -> None:
    """Show per series how many of the expected bars are stored, and what is missing, with the cause."""
    from tidemill.operations.data import report_completeness

    report = report_completeness()
    write_json(json, report.to_json())
    rows = report.to_rows()
    names = ("series", "from", "to", "stored", "complete", "missing")
    # a column that says "fine" on every line would only take room from the others
    columns = (*names, "state") if any(row["state"] != "fine" for row in rows) else names
    _show(rows, columns, nothing="no series is stored yet; import a file, or run ingest_market")


@app.command()
def quarantine(
    released: Annotated[bool, typer.Option("--all", help="Also what was released since.")] = False,
    json: JsonPath = None,
) -> None:
    """Show every bar that failed a check, with its reason."""
    from tidemill.operations.data import report_quarantine

    report = report_quarantine(released=released)
    write_json(json, report.to_json())
    columns = ("series", "opened", "open, high, low, close", "reason")
    _show(report.to_rows(), columns, nothing="no bar is in quarantine")


@app.command()
def release(
    open_time: Annotated[
        object, typer.Argument(parser=time_option("OPEN_TIME"), metavar="OPEN_TIME", help="The bar's open time.")
    ],
    because: Annotated[str, typer.Option("--because", help="Why the bar is right; kept beside it.")],
    instrument: InstrumentId = None,
    timeframe: Timeframe = None,
) -> None:
    """Let one doubted bar go from quarantine into the store, with a reason."""
    from tidemill.operations.data import release_bar

    if not (instrument and timeframe and isinstance(open_time, datetime)):
        raise DataError("release needs --instrument and --timeframe")
    stored = release_bar(instrument, timeframe, open_time, because)
    console.print(f"released; {stored} bars stored")


@app.command()
def prune(
    older_than: Annotated[
        float, typer.Option("--older-than", min=0, help="Days; default: retention.payload_days of the settings.")
    ] = 0.0,
    json: JsonPath = None,
) -> None:
    """Delete raw answers older than the retention, but nothing that a recorded decision references."""
    from dataclasses import asdict

    from tidemill.operations.pruning import prune_old_payloads

    pruned = prune_old_payloads(older_than)
    write_json(json, asdict(pruned))
    console.print(
        f"deleted {pruned.deleted:,} raw answers ({pruned.bytes:,} bytes); {pruned.left:,} are left "
        f"({pruned.left_bytes:,} bytes), {pruned.kept:,} of them old but referenced"
    )


UNCUT = ("series", "from", "to", "opened", "stored", "complete", "state")
"""What a narrow screen leaves in one piece."""


def _show(rows: list[dict[str, Any]], names: tuple[str, ...], *, nothing: str = "no series") -> None:
    if not rows:
        console.print(nothing)
        return
    screen_table = Table(box=None)
    for name in names:
        screen_table.add_column(name, overflow="fold", no_wrap=name in UNCUT)
    for row in rows:
        screen_table.add_row(*(str(row[name]) for name in names))
    console.print(screen_table)
