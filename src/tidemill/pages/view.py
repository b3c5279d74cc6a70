"""What the page of a run shows, in words and in order: the values that its templates are filled with.

Everything is formatted here, so that a template only places it. Nothing is escaped here: templates do that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill.domain.market import format_time
from tidemill.pages.formulas import FORMULA_COLUMNS, formula_rows, method_sentences
from tidemill.pages.months import MonthTable, make_month_table
from tidemill.pages.notes import Notes, make_notes
from tidemill.pages.summary import (
    HEADLINE_COLUMNS,
    activity_rows,
    certainty_rows,
    headline_rows,
    percent,
    ratio,
)
from tidemill.pages.tables import (
    COST_COLUMNS,
    INSTRUMENT_COLUMNS,
    conduct_rows,
    cost_rows,
    instrument_rows,
    setting_rows,
)
from tidemill.performance import InstrumentBook, Performance

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the page tells beside the figures: the data's ``title``, the ``settings`` used, when it was written.

    ``settings`` may be nested; ``ran`` is the run's summary as JSON: what was decided, the orders by state, the
    refusals (each with as_of and reason).
    """

    title: str
    written_at: datetime
    settings: Mapping[str, Any]
    ran: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningText:
    """A warning: what it is about, with its colon, and the rest of the sentence."""

    head: str
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A large figure: its name, its value, and what that is compared with."""

    name: str
    value: str
    comparison: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOption:
    """An instrument whose prices can be drawn, the name of its figure, and how many fills it has."""

    instrument: str
    figure: str
    fills: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text, a cell for each of ``columns``."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Every table of the page but months and settings; a row of pairs is name and value."""

    headline: Table
    certainty: Pairs
    activity: Pairs
    conduct: Pairs
    refusals: Table
    costs: Table
    instruments: Table
    formulas: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """The whole page but for the charts' data; everything is text that a template may show as it is."""

    strategy: str
    title: str
    span: str
    warnings: Sequence[WarningText]
    tiles: Sequence[Tile]
    notes: Notes
    tables: Tables
    months: MonthTable
    price_options: Sequence[PriceOption]
    method: Sequence[str]
    settings: Pairs


def make_view(measured: Performance, facts: PageFacts) -> PageView:
    """The page of ``measured`` in words.

    ``facts`` are what the figures do not know: where the data come from, the settings, what the run did.
    """
    statistics = measured.to_json()
    return PageView(
        strategy=measured.record.strategy,
        title=facts.title,
        span=_span(statistics["period"], len(measured.record.instruments)),
        warnings=split_warnings(measured.warnings),
        tiles=_make_tiles(statistics),
        notes=make_notes(measured, statistics),
        tables=_make_tables(statistics, facts.ran, float(measured.curves.own.iloc[0])),
        months=make_month_table(measured.monthly),
        price_options=_make_options(measured.trading.books),
        method=method_sentences(statistics),
        # when it was written stands among the settings, far from the figures: it is not part of the result
        settings=setting_rows({**facts.settings, "written_at": format_time(facts.written_at)}),
    )


def split_warnings(sentences: Iterable[str]) -> list[WarningText]:
    """Each sentence parted after its first colon; one without is all head."""
    parts = (sentence.partition(": ") for sentence in sentences)
    return [WarningText(head=head + colon, rest=rest) for head, colon, rest in parts]


def _span(period: Mapping[str, Any], instruments: int) -> str:
    start, end = (period[name][:16].replace("T", " ") for name in ("start", "end"))
    return f"{start} to {end} UTC · {period['returns']:,} periods · {instruments} instruments"


def _make_tiles(statistics: Mapping[str, Any]) -> list[Tile]:
    own, benchmark = statistics["strategy"], statistics["benchmark"]
    rows = (
        ("Total return", "total_return", percent),
        ("Sharpe ratio", "sharpe", ratio),
        ("Largest drawdown", "max_drawdown", percent),
    )
    compared = [
        Tile(name=name, value=write(own[key]), comparison=f"buy and hold {write(benchmark[key])}")
        for name, key, write in rows
    ]
    count = statistics["trials"]
    trials = f"{count:,} trial{'' if count == 1 else 's'}; 95% is asked for"
    return [*compared, Tile(name="Deflated Sharpe", value=percent(statistics["deflated_sharpe"]), comparison=trials)]


def _make_tables(statistics: Mapping[str, Any], ran: Mapping[str, Any], start_equity: float) -> Tables:
    return Tables(
        headline=_table(HEADLINE_COLUMNS, headline_rows(statistics)),
        certainty=certainty_rows(statistics),
        activity=activity_rows(statistics),
        conduct=conduct_rows(ran),
        refusals=Table(
            columns=("refused at", "because"),
            rows=[(refusal["as_of"], refusal["reason"]) for refusal in ran["refusals"]],
        ),
        costs=_table(COST_COLUMNS, cost_rows(statistics, start_equity)),
        instruments=_table(INSTRUMENT_COLUMNS, instrument_rows(statistics)),
        formulas=Table(columns=FORMULA_COLUMNS, rows=formula_rows(statistics)),
    )


def _table(columns: tuple[str, ...], rows: Iterable[Mapping[str, str]]) -> Table:
    return Table(columns=columns, rows=[[row[column] for column in columns] for row in rows])


def _make_options(books: Sequence[InstrumentBook]) -> list[PriceOption]:
    """The instrument with most fills first: the page opens with it."""
    busiest = sorted(books, key=lambda book: -book.fills)
    return [
        PriceOption(instrument=book.instrument, figure=f"price:{book.instrument}", fills=book.fills) for book in busiest
    ]
