"""The page of a run holds everything it shows, asks no network, and escapes what it is given."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs_made import BTC, ETH, bars, fill, marks, run_record

from tidemill.domain.errors import ConfigurationError
from tidemill.pages import PageFacts, backtest_page, headline_rows, trial_sentence, write_page
from tidemill.pages.charts import equity_chart, exposure_chart
from tidemill.pages.document import make_figures, make_page
from tidemill.pages.parts import month_table, setting_rows, warning_box
from tidemill.pages.summary import days, money, percent, ratio
from tidemill.pages.thinning import keep_every, keep_shape
from tidemill.performance import as_statistics, measure

FACTS = PageFacts(
    title="two bars & a <half>",
    written_at=datetime(2026, 1, 1, tzinfo=UTC),
    settings={"strategy": "trend", "fills": {"slippage": "0.0005"}, "universe": [BTC, ETH]},
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
    ours = without_library(page)
    assert "http://" not in ours
    assert "https://" not in ours
    assert not re.search(r"<(link|img|iframe|script[^>]*\ssrc)", ours)


def test_the_library_is_there_once(page: str) -> None:
    assert page.count("plotly.js v") == 1
    assert len(page) < 6_000_000


def test_every_place_has_its_figure_and_every_instrument_its_prices(page: str) -> None:
    found = re.search(r'id="figures">(.*?)</script>', page, flags=re.DOTALL)
    figures = json.loads(found[1])
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
    told = make_page(replace(measured, record=record), FACTS)
    assert "</script><b>" not in told


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
    drawn = {one.name: list(one.y) for one in exposure_chart(short).data}
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
    table = month_table(measured.monthly)
    assert table.count("<td></td>") == 11
    assert table.count('class="gain') == 2


def test_no_warning_is_said_too() -> None:
    assert "None of the checks" in warning_box(())
    assert "1 warning:" in warning_box(["Head: rest"])


def test_figures_in_words() -> None:
    assert (percent(0.1234), ratio(1.005), money("1234.5"), days(3.2), days(0.5)) == (
        "12.34%",
        "1.00",
        "1,234.50",
        "3 days",
        "12 h",
    )
    assert money(-0.001) == "0.00"
    assert {percent(None), ratio(None), money(None), days(None)} == {"–"}


def test_the_markdown_page_has_warnings_headline_and_refusals(measured) -> None:
    statistics = as_statistics(measured)
    result = {
        "strategy": "trend",
        "steps": 3,
        "forecasts": 1,
        "vetoed": 0,
        "dropped": 0,
        "fees": "1.5",
        "funding": "0",
        "orders": {"intended": 2},
        "refusals": [{"as_of": "2025-01-01T00:00:00Z", "reason": "venue down"}],
        "statistics": statistics,
    }
    page = backtest_page(result)
    assert page.index("## Warnings") < page.index("## Against buy and hold")
    assert all(warning in page for warning in measured.warnings)
    assert "venue down" in page
    assert len(headline_rows(statistics)) == 10
    assert trial_sentence(statistics).startswith("2 different trials")
    assert "none" in backtest_page({**result, "refusals": []})


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(4, 60))
def test_thinning_keeps_ends_peaks_and_troughs(values: list[float], most: int) -> None:
    array = np.array(values)
    rows = keep_shape(array, most)
    assert rows[0] == 0
    assert rows[-1] == len(values) - 1
    assert np.all(np.diff(rows) > 0)
    assert len(rows) <= max(most, 1) + 2
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
