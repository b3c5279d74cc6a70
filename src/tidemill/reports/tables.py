"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Markdown table of ``rows``; a cell's bars and line ends would break it, so they are told otherwise."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def plain(amount: object) -> str:
    """An amount without exponent and without the zeros at its end; "" stays ""."""
    return "" if amount in (None, "") else format(Decimal(str(amount)).normalize(), "f")


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
