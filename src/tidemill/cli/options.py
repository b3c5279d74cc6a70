"""Options that several commands share."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tidemill.domain.market import parse_time


def time_option(name: str) -> Any:
    """A parser of ISO 8601 times in UTC that names its option in errors."""

    def parse(text: str) -> datetime:
        return parse_time(text, name)

    return parse


def target(what: str) -> Any:
    """A callback that refuses a file which cannot be written before the work whose outcome it is to take."""

    def check(path: Path | None) -> Path | None:
        from tidemill.pages.output_files import need_writable

        return None if path is None else need_writable(path, what)

    return check


Data = Annotated[Path | None, typer.Option("--data", help="A recording's TOML file; default: the bundled prices.")]
Start = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        parser=time_option("--from"),
        metavar="TIME",
        help="First decided close, ISO 8601 in UTC; default: the last 12.",
    ),
]
End = Annotated[
    datetime | None,
    typer.Option("--to", parser=time_option("--to"), metavar="TIME", help="Decided closes before this."),
]
Every = Annotated[str | None, typer.Option("--every", help="Cadence of decisions as a timeframe, such as 4h or 1d.")]
JsonPath = Annotated[
    Path | None,
    typer.Option("--json", callback=target("JSON file"), help="Write the result as one JSON object to this file."),
]


def write_json(path: Path | None, result: object) -> None:
    """Write one object; money in it is text already."""
    from tidemill.pages.output_files import write_text

    if path is not None:
        write_text(path, json.dumps(result, indent=2, default=str) + "\n", "JSON file")
