"""The page of a run: one HTML file that holds all it needs and asks no network for anything."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import format_time
from tidemill.pages import charts, parts
from tidemill.pages.formulas import FORMULA_COLUMNS, formula_rows, method_sentences
from tidemill.pages.summary import (
    HEADLINE_COLUMNS,
    activity_rows,
    certainty_rows,
    headline_rows,
    money,
    percent,
    ratio,
    trial_sentence,
)
from tidemill.pages.tables import COST_COLUMNS, INSTRUMENT_COLUMNS, conduct_rows, cost_rows, instrument_rows
from tidemill.performance import Performance, as_statistics

# The browser itself refuses whatever is not in the file.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the page tells beside the figures: the data's ``title``, the ``settings`` used, when it was written.

    ``ran`` is the run's summary: what was decided, the orders by state, the refusals.
    """

    title: str
    written_at: datetime
    settings: Mapping[str, Any]
    ran: Mapping[str, Any]


def write_page(path: Path, measured: Performance, facts: PageFacts) -> None:
    """Write the page of ``measured`` to ``path``; ConfigurationError when that cannot be written."""
    try:
        path.write_text(make_page(measured, facts), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the report {path} cannot be written: {error.strerror}; choose another file"
        ) from error


def make_page(measured: Performance, facts: PageFacts) -> str:
    """The page as text: about 2 MB of chart library, and the figures' own data."""
    strategy = escape(measured.record.strategy)
    figures = json.dumps(make_figures(measured), separators=(",", ":")).replace("</", "<\\/")
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<title>Tidemill: {strategy}</title><style>{_asset('page.css')}</style></head><body>",
            make_body(measured, facts),
            f'<script type="application/json" id="figures">{figures}</script>',
            pack_library(),
            f"<script>{_asset('page.js')}</script>",
            "</body></html>\n",
        )
    )


def pack_library() -> str:
    """The chart library, compressed to two fifths, with its own notice readable before it; ``page.js`` unpacks it."""
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs()
    notice = library[: library.index("*/")].strip("/*\n ").replace("--", "-")
    packed = base64.b64encode(gzip.compress(library.encode(), compresslevel=6, mtime=0)).decode()
    return f'<!-- {notice} -->\n<script type="application/gzip" id="library">{packed}</script>'


def make_figures(measured: Performance) -> dict[str, Any]:
    """Name -> plotly figure, JSON-ready; the prices of each instrument as ``price:ID``."""
    made = {
        "equity": charts.equity_chart(measured),
        "drawdown": charts.drawdown_chart(measured),
        "rolling": charts.rolling_chart(measured),
        "exposure": charts.exposure_chart(measured),
        "turnover": charts.turnover_chart(measured),
        "costs": charts.cost_chart(measured),
        "instruments": charts.instrument_chart(measured),
        **{f"price:{name}": charts.price_chart(measured, name) for name in measured.record.instruments},
    }
    return {name: json.loads(figure.to_json()) for name, figure in made.items()}


def make_body(measured: Performance, facts: PageFacts) -> str:
    """Everything visible, charts as empty places."""
    statistics = as_statistics(measured)
    sections = (
        parts.warning_box(measured.warnings),
        _tiles(statistics),
        parts.card("Equity", _equity_note(measured), parts.chart("equity")),
        parts.card("Against buy and hold", "", _headline(statistics), wide=False),
        parts.card("How sure is it", trial_sentence(statistics) + ".", _certainty(statistics), wide=False),
        parts.card("Drawdown", "How far equity is below its highest mark so far.", parts.chart("drawdown")),
        parts.card(
            "Months",
            "Return in percent by calendar month, UTC; the first and last may be partial.",
            parts.month_table(measured.monthly),
        ),
        parts.card("Rolling Sharpe ratio and volatility", _rolling_note(measured), parts.chart("rolling")),
        parts.card("Exposure", _exposure_note(measured), parts.chart("exposure")),
        parts.card("Turnover", _turnover_note(measured), parts.chart("turnover")),
        parts.card("Activity", "", parts.pair_table(activity_rows(statistics)), wide=False),
        parts.card("Decisions and orders", "", _conduct(facts.ran), wide=False),
        parts.card("Costs", _cost_note(statistics), _costs(measured, statistics)),
        parts.card(
            "Profit by instrument",
            f"In {statistics['currency']}, net of fees, before funding, open positions valued at the last close.",
            _instruments(statistics),
        ),
        parts.card("Orders on the price", "Every fill on the closes of its instrument.", _prices(measured)),
        parts.card("How it is measured", "", _method(statistics)),
        parts.card("Settings used", "", _settings(facts)),
    )
    return f"<header>{_heading(measured, facts, statistics)}</header><main>{''.join(sections)}</main>"


def _heading(measured: Performance, facts: PageFacts, statistics: Mapping[str, Any]) -> str:
    period = statistics["period"]
    span = f"{period['start'][:16].replace('T', ' ')} to {period['end'][:16].replace('T', ' ')} UTC"
    told = f"{span} · {period['returns']:,} periods · {len(measured.record.instruments)} instruments"
    return f"<h1>Backtest of {escape(measured.record.strategy)}</h1><p>{escape(facts.title)}</p><p>{escape(told)}</p>"


def _tiles(statistics: Mapping[str, Any]) -> str:
    own, other = statistics["strategy"], statistics["benchmark"]
    beside = "buy and hold "
    return parts.tiles(
        (
            ("Total return", percent(own["total_return"]), beside + percent(other["total_return"])),
            ("Sharpe ratio", ratio(own["sharpe"]), beside + ratio(other["sharpe"])),
            ("Largest drawdown", percent(own["max_drawdown"]), beside + percent(other["max_drawdown"])),
            ("Deflated Sharpe", percent(statistics["deflated_sharpe"]), _trials(statistics["trials"])),
        )
    )


def _headline(statistics: Mapping[str, Any]) -> str:
    return parts.grid_table(
        HEADLINE_COLUMNS, [[row[one] for one in HEADLINE_COLUMNS] for row in headline_rows(statistics)], wrap=True
    )


def _certainty(statistics: Mapping[str, Any]) -> str:
    sharpe = statistics["intervals"]["sharpe"]
    note = (
        f"Intervals: stationary block bootstrap, {sharpe['resamples']:,} resamples, mean block of "
        f"{sharpe['mean_block']:.1f} periods. Deflated Sharpe ratio: Bailey and López de Prado, 2014."
    )
    return parts.pair_table(certainty_rows(statistics)) + f'<p class="note">{escape(note)}</p>'


def _rolling_note(measured: Performance) -> str:
    return f"Annual figures of the last {measured.curves.rolling_days:.0f} days at each mark."


def _equity_note(measured: Performance) -> str:
    told = f"In {measured.record.currency}, against the same money in every instrument, bought at the start and held."
    return f"{told} Below, {measured.record.strategy} on its own scale." if charts.is_dwarfed(measured) else told


def _exposure_note(measured: Performance) -> str:
    rest = len(measured.record.instruments) - charts.MOST_NAMES
    told = "Share of equity in each instrument, after each decision; short positions below zero."
    return f"{told} The smallest are added up as others." if rest > 0 else told


def _turnover_note(measured: Performance) -> str:
    size = charts.periods_in_bar(len(measured.activity.turnover))
    each = "period" if size == 1 else f"{size} periods"
    return f"Value traded over equity, buys and sells added; a bar for each {each}."


def _trials(count: int) -> str:
    return f"{count:,} trial{'' if count == 1 else 's'}; 95% is asked for"


def _cost_note(statistics: Mapping[str, Any]) -> str:
    costs, currency = statistics["costs"], statistics["currency"]
    return (
        f"{money(costs['total'])} {currency} in all, on {money(costs['traded'])} traded. Drift is how the price moved "
        f"between the decided close and the fill, funding what positions paid (0 on spot); below zero it was a gain."
    )


def _costs(measured: Performance, statistics: Mapping[str, Any]) -> str:
    rows = cost_rows(statistics, float(measured.curves.own.iloc[0]))
    return parts.chart("costs") + parts.grid_table(COST_COLUMNS, [list(row.values()) for row in rows])


def _instruments(statistics: Mapping[str, Any]) -> str:
    rows = [list(row.values()) for row in instrument_rows(statistics)]
    return parts.chart("instruments") + parts.grid_table(INSTRUMENT_COLUMNS, rows)


def _conduct(ran: Mapping[str, Any]) -> str:
    refused = [[one["as_of"], one["reason"]] for one in ran["refusals"]]
    told = parts.pair_table(conduct_rows(ran))
    if not refused:
        return told
    rows = parts.grid_table(("refused at", "because"), refused)
    return f"{told}<details><summary>{len(refused):,} refused</summary>{rows}</details>"


def _prices(measured: Performance) -> str:
    busiest = sorted(measured.trading.books, key=lambda book: -book.fills)
    options = "".join(
        f'<option value="price:{escape(book.instrument)}">{escape(book.instrument)} ({book.fills} fills)</option>'
        for book in busiest
    )
    first = f"price:{busiest[0].instrument}"
    return f'<label>Instrument <select id="instrument">{options}</select></label>{parts.chart(first)}'


def _method(statistics: Mapping[str, Any]) -> str:
    told = "".join(f"<li>{escape(one)}</li>" for one in method_sentences(statistics))
    return f"<ul>{told}</ul>" + parts.text_table(FORMULA_COLUMNS, formula_rows(statistics))


def _settings(facts: PageFacts) -> str:
    rows = parts.setting_rows({**facts.settings, "written_at": format_time(facts.written_at)})
    return f"<details><summary>{len(rows)} settings</summary>{parts.pair_table(rows, long=True)}</details>"


def _asset(name: str) -> str:
    return resources.files("tidemill.pages").joinpath(name).read_text(encoding="utf-8")
