"""Pieces of HTML: tables, cards, the heat map of months. Every text that comes in is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Year")
# A month of this return has the full colour.
FULL_COLOUR = 0.15


def card(title: str, note: str, body: str, *, wide: bool = True) -> str:
    """One section with a heading, a sentence on how to read it, and its content."""
    told = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<section class="card{" wide" if wide else ""}"><h2>{escape(title)}</h2>{told}{body}</section>'


def chart(name: str) -> str:
    """The place of the figure ``name``."""
    return f'<div class="figure" data-figure="{escape(name)}"></div>'


def grid_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, wrap: bool = False) -> str:
    """A table whose first column is text, wrapped if told so, and whose others are figures."""
    head = "".join(f"<th>{escape(one)}</th>" for one in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    kind = ' class="pairs"' if wrap else ""
    return f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of words, wrapped and left-aligned."""
    head = "".join(f"<th>{escape(one)}</th>" for one in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="words"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def pair_table(rows: Iterable[tuple[str, str]], *, long: bool = False) -> str:
    """Name and value a line; ``long`` values are wrapped."""
    body = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    kind = "pairs long" if long else "pairs"
    return f'<div class="scroll"><table class="{kind}"><tbody>{body}</tbody></table></div>'


def month_table(monthly: pd.DataFrame) -> str:
    """Months as a heat map: green gains, red losses, deeper with size."""
    head = "<th></th>" + "".join(f"<th>{name}</th>" for name in MONTHS)
    rows = []
    for year, row in monthly.iterrows():
        cells = "".join(_month_cell(value, strong=name == "year") for name, value in row.items())
        rows.append(f"<tr><td>{year}</td>{cells}</tr>")
    return (
        f'<div class="scroll"><table class="months"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _month_cell(value: float, *, strong: bool) -> str:
    if pd.isna(value):
        return "<td></td>"
    kind = "gain" if value > 0 else "loss" if value < 0 else ""
    depth = min(1.0, abs(value) / FULL_COLOUR)
    return f'<td class="{kind}{" strong" if strong else ""}" style="--depth:{depth:.2f}">{value * 100:+.1f}</td>'


def warning_box(warnings: Sequence[str]) -> str:
    """Warnings in plain words, or that there are none."""
    if not warnings:
        return '<section class="calm wide">None of the checks that this page makes warns of anything.</section>'
    items = []
    for one in warnings:
        head, mark, rest = one.partition(": ")
        items.append(f"<li><b>{escape(head)}{escape(mark)}</b>{escape(rest)}</li>")
    many = f"{len(warnings)} warnings" if len(warnings) > 1 else "1 warning"
    return f'<section class="warn wide"><h2>{many}: read before believing</h2><ul>{"".join(items)}</ul></section>'


def tiles(values: Iterable[tuple[str, str, str]]) -> str:
    """Large figures: name, value, and what it is compared with."""
    made = "".join(
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b><small>{escape(beside)}</small></div>'
        for name, value, beside in values
    )
    return f'<div class="tiles wide">{made}</div>'


def setting_rows(settings: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Nested settings as flat rows with dotted names."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += setting_rows(value, f"{before}{name}.")
        else:
            told = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append((f"{before}{name}", told))
    return rows
