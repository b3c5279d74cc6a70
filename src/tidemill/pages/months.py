"""Returns by month as the cells of a heat map.

The style sheet turns ``kind`` and ``depth`` into a colour, so that it suits light and dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tidemill.pages.tables import MONTHS

# A month of this return has the full colour: fixed, so that pages of two runs can be laid side by side.
FULL_COLOUR = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthCell:
    """The return of a month or year: ``text`` in percent, ``kind`` gain, loss or "", ``depth`` of colour, 0 to 1."""

    text: str
    kind: str
    depth: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthTable:
    """Years in ascending order, each with a cell for every column; None where there is no return."""

    columns: tuple[str, ...]
    years: tuple[tuple[str, tuple[MonthCell | None, ...]], ...]


def make_month_table(monthly: pd.DataFrame) -> MonthTable:
    """Cells of :func:`tidemill.performance.calendar_months.monthly_table`: rows years, columns 1 to 12 and year."""
    return MonthTable(
        columns=(*MONTHS, "Year"),
        years=tuple((str(year), tuple(map(_make_cell, row))) for year, row in monthly.iterrows()),
    )


def _make_cell(value: float) -> MonthCell | None:
    if pd.isna(value):
        return None
    return MonthCell(
        text=f"{value * 100:+.1f}",
        kind="gain" if value > 0 else "loss" if value < 0 else "",
        depth=f"{min(1.0, abs(value) / FULL_COLOUR):.2f}",
    )
