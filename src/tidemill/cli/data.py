"""data import, export, gaps, completeness."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tidemill.cli.options import End, JsonPath, Start, time_option, write_json
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
    """Store bars of a file: checked, defects counted and told, gaps recorded."""
    from tidemill.replay.datafiles import import_path

    result = import_path(file, layout=layout, venue=venue, instrument_id=instrument, timeframe=timeframe)
    write_json(json, result)
    shown = Table("series", "rows", "stored", "rejected", "missing", "defects", box=None)
    for one in result["series"]:
        defects = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in one["defects"].items() if count)
        values = (one[name] for name in ("name", "rows", "stored", "rejected", "missing"))
        shown.add_row(*(str(value) for value in values), defects or "none")
    console.print(shown)


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="File to write, .parquet or .csv.")],
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
    from tidemill.replay.datafiles import export_bars

    if not (instrument and timeframe and start and end):
        raise DataError("export needs --instrument, --timeframe, --from and --to")
    written = export_bars(out, instrument=instrument, timeframe=timeframe, start=start, end=end, as_of=as_of)
    console.print(f"wrote {written:,} bars to {out}")


@app.command()
def gaps(json: JsonPath = None) -> None:
    """Show every known gap: where bars are missing, how many, and why."""
    from tidemill.replay.datafiles import known_gaps

    found = known_gaps()
    write_json(json, found)
    shown = Table("instrument", "timeframe", "from", "to", "missing", "cause", box=None)
    for one in found["gaps"]:
        shown.add_row(*(str(one[name]) for name in ("instrument", "timeframe", "start", "end", "missing", "cause")))
    console.print(shown)


@app.command()
def completeness(json: JsonPath = None) -> None:
    """Show per series how many bars are expected, stored and missing."""
    from tidemill.replay.datafiles import known_completeness

    found = known_completeness()
    write_json(json, found)
    shown = Table("instrument", "timeframe", "from", "to", "expected", "stored", "missing", "complete", box=None)
    for one in found["series"]:
        names = ("instrument", "timeframe", "start", "end", "expected", "stored", "missing", "complete")
        shown.add_row(*(str(one[name]) for name in names))
    console.print(shown)
