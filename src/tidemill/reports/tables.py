"""Tables in Markdown, and the rows they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

Cell = str | int | float | None
Row = dict[str, Cell]
"""A row of a table, JSON-ready: column -> cell. Money and quantities are decimal strings."""


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Markdown table of ``rows`` with a head even when there are none; what a row lacks is an empty cell.

    A bar in a cell is escaped and its line ends become spaces: both would break the table.
    """
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def plain(amount: object) -> str:
    """An amount without exponent and without the zeros at its end; "" for None and "".

    ``amount`` is a Decimal or its text, as the record of a decision has it. decimal.InvalidOperation for other text.
    """
    return "" if amount in (None, "") else format(Decimal(str(amount)).normalize(), "f")


def _cell(value: object) -> str:
    # split and joined, because a line end would end the row wherever the text came from
    return " ".join(str(value).replace("|", "\\|").split())
