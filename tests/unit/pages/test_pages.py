"""The page of a run holds everything it shows, asks no network, and escapes what it is given."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from plotly.offline import get_plotlyjs
from support.runs_made import BTC, ETH, bars, fill, marks, run_record

from tidemill.domain.errors import ConfigurationError
from tidemill.pages import PageFacts, backtest_page, headline_rows, trial_sentence, write_page
from tidemill.pages.charts import MOST_NAMES, equity_chart, exposure_chart, is_dwarfed
from tidemill.pages.document import make_figures, make_page
from tidemill.pages.downsampling import keep_every, keep_shape
from tidemill.pages.environment import render
from tidemill.pages.formulas import formula_rows, method_sentences
from tidemill.pages.summary import activity_rows, certainty_rows, days, money, percent, ratio
from tidemill.pages.tables import conduct_rows, cost_rows, instrument_rows, setting_rows
from tidemill.pages.view import make_view, split_warnings
from tidemill.performance import measure

RAN = {
    "steps": 1200,
    "bars": 4800,
    "gaps": 7,
    "forecasts": 1,
    "vetoed": 0,
    "dropped": 2,
    "orders": {"intended": 3, "filled": 2, "partly_filled": 1, "expired": 0},
    "refusals": [{"as_of": "2025-01-01T00:00:00Z", "reason": "venue <down>"}],
}
FACTS = PageFacts(
    title="two bars & a <half>",
    written_at=datetime(2026, 1, 1, tzinfo=UTC),
    settings={"strategy": "trend", "fills": {"slippage": "0.0005"}, "universe": [BTC, ETH]},
    ran=RAN,
)


@pytest.fixture(scope="module")
def measured():
    closes = {BTC: [100.0, 110.0, 121.0], ETH: [10.0, 9.0, 8.0]}
    return measure(
        run_record(bars=bars(closes), instruments=(BTC, ETH), slippage_rate=Decimal("0.001"), trial_sharpes=[1.0, 2.0])
    )


@pytest.fixture(scope="module")
def page(measured) -> str:
    return make_page(measured, FACTS)


def without_library(page: str) -> str:
    """The page less the chart library, which is the longest script."""
    scripts = re.findall(r"<script[^>]*>.*?</script>", page, flags=re.DOTALL)
    return page.replace(max(scripts, key=len), "")


def test_the_page_asks_no_network(page: str) -> None:
    assert "default-src 'none'" in page
    own_part = without_library(page)
    assert "http://" not in own_part
    assert "https://" not in own_part
    assert not re.search(r"<(link|img|iframe|script[^>]*\ssrc)", own_part)


def test_the_library_is_there_once_whole_and_with_its_notice(page: str) -> None:
    assert page.count("plotly.js v") == 1
    assert "Licensed under the MIT license" in page
    packed = re.findall(r'<script type="application/gzip" id="library">(.*?)</script>', page, flags=re.DOTALL)
    assert [gzip.decompress(base64.b64decode(library)).decode() for library in packed] == [get_plotlyjs()]
    assert len(page) < 2_500_000


def test_the_page_of_the_same_run_is_the_same(measured, page: str) -> None:
    assert make_page(measured, FACTS) == page


def test_every_place_has_its_figure_and_every_instrument_its_prices(page: str) -> None:
    match = re.search(r'id="figures">(.*?)</script>', page, flags=re.DOTALL)
    figures = json.loads(match[1])
    places = set(re.findall(r'data-figure="([^"]+)"', page))
    assert places <= set(figures)
    assert {f"price:{BTC}", f"price:{ETH}"} <= set(figures)
    assert set(re.findall(r'<option value="([^"]+)"', page)) == {f"price:{BTC}", f"price:{ETH}"}
    assert {"equity", "drawdown", "rolling", "exposure", "turnover", "costs", "instruments"} <= places


def test_warnings_come_first(page: str, measured) -> None:
    body = page[page.index("<main>") :]
    assert body.index("read before believing") < body.index("Equity")
    for warning in measured.warnings:
        assert warning.split(": ")[0] in body


def test_what_is_given_is_escaped(page: str) -> None:
    assert "two bars &amp; a &lt;half&gt;" in page
    assert "<half>" not in page


def test_no_script_can_be_smuggled_in(measured) -> None:
    record = replace(measured.record, strategy="</script><b>")
    other_page = make_page(replace(measured, record=record), FACTS)
    assert "</script><b>" not in other_page


def test_settings_are_told_flat(page: str) -> None:
    assert setting_rows(FACTS.settings) == [
        ("strategy", "trend"),
        ("fills.slippage", "0.0005"),
        ("universe", f"{BTC}, {ETH}"),
    ]
    assert "fills.slippage" in page


def test_a_run_without_orders_has_a_page() -> None:
    still = measure(run_record(equity=marks(100, 100), fills=[], orders=[], decisions=[]))
    assert "no order closed a position" in make_page(still, FACTS)


def test_short_positions_are_drawn_below_zero() -> None:
    short = measure(run_record(fills=[fill(0.1, "SELL", "5", "100")]))
    drawn = {trace.name: list(trace.y) for trace in exposure_chart(short).data}
    assert drawn == {f"{BTC} short": pytest.approx(list(short.activity.exposure[BTC]))}
    assert max(drawn[f"{BTC} short"]) < 0


def test_the_equity_chart_draws_the_curve(measured) -> None:
    benchmark, own = equity_chart(measured).data
    assert list(own.y) == pytest.approx(list(measured.curves.own))
    assert own.x[0] == "2025-01-01T00:00:00"
    assert benchmark.name == "buy and hold"
    assert set(make_figures(measured)["equity"]) >= {"data", "layout"}


def test_a_page_that_cannot_be_written_is_one_sentence(measured, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_page(tmp_path / "missing" / "page.html", measured, FACTS)


def test_months_without_a_return_are_empty(measured) -> None:
    table = render("months.html.j2", view=make_view(measured, FACTS))
    assert table.count("<td></td>") == 11
    assert table.count('class="gain') == 2


def test_no_warning_is_said_too(measured) -> None:
    view = make_view(measured, FACTS)
    assert "None of the checks" in render("warnings.html.j2", view=replace(view, warnings=()))
    assert "1 warning:" in render("warnings.html.j2", view=replace(view, warnings=split_warnings(["Head: rest"])))


def test_a_value_that_a_template_lacks_is_an_error(measured) -> None:
    with pytest.raises(UndefinedError, match="'view' is undefined"):
        render("months.html.j2")


def test_every_template_escapes_what_it_is_given(measured) -> None:
    view = replace(make_view(measured, FACTS), warnings=split_warnings(["<i>: </ul>"]))
    assert "<li><b>&lt;i&gt;: </b>&lt;/ul&gt;</li>" in render("warnings.html.j2", view=view)


def test_every_figure_has_its_formula_and_how_it_is_annualised(page: str, measured) -> None:
    rows = {name: (formula, annual) for name, formula, annual in formula_rows(measured.to_json())}
    assert all(formula and annual for formula, annual in rows.values())
    named = {row["figure"] for row in headline_rows(measured.to_json())}
    assert named - set(rows) == {
        "largest drawdown",
        "its length, peak to recovery",
        "longest drawdown",
        "equity at the end",
    }
    assert rows["Sharpe ratio"][1] == "by √365"
    assert {"drawdown", "intervals", "deflated Sharpe ratio", "turnover", "exposure", "shortfall"} <= set(rows)
    assert all(formula in unescape(page) for formula, _ in rows.values())


def test_the_year_of_sessions_is_told_with_252_days(measured) -> None:
    sessions = measure(replace(measured.record, days_per_year=252.0)).to_json()
    assert ("Sharpe ratio", "by √252") in {(name, annual) for name, _, annual in formula_rows(sessions)}
    assert any("252 trading days" in sentence for sentence in method_sentences(sessions))


def test_the_page_tells_decisions_orders_and_refusals(page: str) -> None:
    rows = dict(conduct_rows(RAN))
    assert (rows["decisions"], rows["bars missing"], rows["orders partly filled"]) == ("1,200", "7", "1")
    assert "orders expired" not in rows
    assert "<td>orders partly filled</td><td>1</td>" in page
    assert "venue &lt;down&gt;" in page


def test_costs_are_told_by_cause_with_their_share_of_what_was_traded(measured) -> None:
    statistics = measured.to_json()
    rows = {row["cost"]: row for row in cost_rows(statistics, 2000.0)}
    assert list(rows) == ["fees", "slippage and spread", "drift until the fill", "funding", "in all"]
    # fees of 1.5 on 1,000 + 550 traded, of an equity of 2,000
    assert rows["fees"] == {
        "cost": "fees",
        "amount": "1.50",
        "of traded": "9.68 bp",
        "of equity": percent(0.00075),
    }
    unsplit = {**statistics, "costs": {**statistics["costs"], "slippage": None, "drift": None, "traded": "0"}}
    assert [row["cost"] for row in cost_rows(unsplit, 2000.0)][1] == "shortfall against the decided close"
    assert cost_rows(unsplit, 2000.0)[0]["of traded"] == "–"


def test_large_counts_have_thousands(measured) -> None:
    statistics = measured.to_json()
    many = {**statistics, "trials": 12_000, "trades": {**statistics["trades"], "closed": 4134}}
    assert ("orders that closed", "4,134") in activity_rows(many)
    assert ("trials on these data so far", "12,000") in certainty_rows(many)
    assert trial_sentence(many).startswith("12,000 different trials")


def test_instruments_are_ranked_by_profit(measured) -> None:
    assert [row["instrument"] for row in instrument_rows(measured.to_json())] == [BTC, ETH]


def test_amounts_on_axes_have_their_unit(measured) -> None:
    figures = make_figures(measured)
    assert figures["costs"]["layout"]["xaxis"]["title"]["text"] == "USDT"
    assert figures["instruments"]["layout"]["xaxis"]["title"]["text"] == "USDT"
    assert figures["equity"]["layout"]["yaxis"]["title"]["text"] == "USDT"
    assert figures[f"price:{BTC}"]["layout"]["yaxis"]["title"]["text"] == "price, USDT"


def test_a_strategy_that_is_flat_beside_the_benchmark_has_a_panel_of_its_own() -> None:
    quiet = measure(run_record(equity=marks(2000, 2001, 2002), bars=bars({BTC: [100.0, 110.0, 121.0]})))
    assert is_dwarfed(quiet)
    figure = equity_chart(quiet)
    assert [(trace.name, trace.yaxis, trace.showlegend) for trace in figure.data] == [
        ("buy and hold", "y", True),
        ("trend", "y", True),
        ("trend", "y2", False),
    ]
    assert "on its own scale" in make_page(quiet, FACTS)


def test_of_many_instruments_the_smallest_are_drawn_together() -> None:
    names = tuple(f"A{number}-USDT.T" for number in range(MOST_NAMES + 2))
    fills = [fill(0.001 + n / 1000, "BUY", "1", str(n + 1), instrument=name) for n, name in enumerate(names)]
    closes = bars({name: [float(n + 1)] * 3 for n, name in enumerate(names)})
    many = measure(run_record(instruments=names, fills=fills, orders=[], decisions=[], bars=closes))
    drawn = {trace.name: trace.y for trace in exposure_chart(many).data}
    assert len(drawn) == MOST_NAMES
    # the three cheapest, worth 1 + 2 + 3 of an equity of 2,000
    assert drawn["3 others"][0] == pytest.approx(6 / 2000)
    assert sum(values[0] for values in drawn.values()) == pytest.approx(many.activity.exposure.iloc[0].sum())


def test_figures_in_words() -> None:
    assert (percent(0.1234), ratio(1.005), money("1234.5"), days(3.2), days(0.5)) == (
        "12.34%",
        "1.00",
        "1,234.50",
        "3 days",
        "12 h",
    )
    assert money(-0.001) == "0.00"
    assert (percent(140.71737), ratio(1234.5), percent(-0.0)) == ("14,071.74%", "1,234.50", "0.00%")
    assert {percent(None), ratio(None), money(None), days(None)} == {"–"}


def test_the_markdown_page_has_warnings_headline_and_refusals(measured) -> None:
    statistics = measured.to_json()
    result = {"strategy": "trend", "equity_start": "2000", "equity_end": "2153.5", "statistics": statistics, **RAN}
    page = backtest_page(result)
    assert page.index("## Warnings") < page.index("## Against buy and hold")
    assert all(warning in page for warning in measured.warnings)
    assert "venue <down>" in page
    parts = ("Months", "Costs, USDT", "Instruments, USDT", "Formulas", "Orders", "Refused decisions")
    assert all(f"## {name}\n" in page for name in parts)
    fast = backtest_page({name: value for name, value in result.items() if name != "statistics"})
    assert "Equity 2000 to 2153.5, at the fast speed" in fast
    assert "## Costs" not in fast
    assert len(headline_rows(statistics)) == 12
    assert trial_sentence(statistics).startswith("2 different trials")
    assert "none" in backtest_page({**result, "refusals": []})


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(4, 60))
def test_thinning_keeps_ends_peaks_and_troughs(values: list[float], max_points: int) -> None:
    array = np.array(values)
    rows = keep_shape(array, max_points)
    assert rows[0] == 0
    assert rows[-1] == len(values) - 1
    assert np.all(np.diff(rows) > 0)
    assert len(rows) <= max(max_points, 1) + 2
    assert array[rows].max() == array.max()
    assert array[rows].min() == array.min()


def test_thinning_leaves_unknown_values_out() -> None:
    array = np.concatenate([np.full(100, np.nan), np.arange(100.0)])
    rows = keep_shape(array, 20)
    assert rows[0] == 0
    assert np.isnan(array[rows]).sum() == 1


def test_even_thinning() -> None:
    assert list(keep_every(3)) == [0, 1, 2]
    assert list(keep_every(0)) == []
    assert list(keep_every(1000, 3)) == [0, 500, 999]
