"""A whole run measured, told as statistics, and warned of."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from support.runs_made import BTC, ETH, at, bars, decision, fill, marks, order, run_record

from tidemill.domain.errors import DataError
from tidemill.performance import cautions, measure, run_sharpe
from tidemill.performance.capacity import make_capacity, volume_shares
from tidemill.performance.measurement import count_ended
from tidemill.performance.positions import book_fills
from tidemill.performance.ratios import beta_and_correlation
from tidemill.performance.record import DecidedOrder
from tidemill.performance.resampling import Interval
from tidemill.performance.significance import Deflated


def interval(low: float, high: float) -> Interval:
    return Interval(low=low, high=high, level=0.95, resamples=1000, mean_block=3.0)


def test_a_run_by_hand() -> None:
    """2000 of cash; half in BTC from 100 to 121, half of it sold at 110; the close of the first day is 100."""
    measured = measure(run_record(slippage_rate=Decimal(0), cost_rate=Decimal("0.01")))
    assert measured.own.total_return == pytest.approx(153.5 / 2000)
    assert measured.benchmark.end_equity == pytest.approx(2000 * 0.99 * 1.21)
    book = measured.trading.books[0]
    # 10 cost 1001, so the 5 sold for 549.5 had cost 500.5
    assert (book.realised, book.unrealised, book.profit) == (49, Decimal("104.5"), Decimal("153.5"))
    assert list(measured.activity.exposure[BTC]) == pytest.approx([0.5, 550 / 2098.5, 605 / 2153.5])
    assert list(measured.activity.turnover) == pytest.approx([0.5, 550 / 2098.5, 0])
    assert (measured.trading.closings, measured.trading.hit_rate, measured.trading.profit_factor) == (1, 1.0, math.inf)
    assert (measured.trading.costs.fees, measured.trading.costs.shortfall) == (Decimal("1.5"), 10)
    assert measured.own.max_drawdown_length == timedelta(0)
    assert run_sharpe(measured.record) == measured.own.sharpe


def test_profit_by_instrument_adds_up_to_the_change_of_equity() -> None:
    measured = measure(run_record())
    assert float(sum(book.profit for book in measured.trading.books)) == pytest.approx(
        measured.curves.own.iloc[-1] - measured.curves.own.iloc[0]
    )


def test_statistics_are_json_without_nan_and_money_is_text() -> None:
    statistics = measure(run_record()).to_json()
    text = json.dumps(statistics, allow_nan=False)
    assert json.loads(text) == statistics
    assert statistics["costs"]["fees"] == "1.5"
    assert statistics["instruments"][0]["profit"] == "153.5"
    assert statistics["trades"]["profit_factor"] is None
    assert statistics["period"] == {
        "start": "2025-01-01T00:00:00Z",
        "end": "2025-01-03T00:00:00Z",
        "years": pytest.approx(2 / 365),
        "returns": 2,
        "periods_per_year": 365.0,
        "days_per_year": 365.0,
    }


def test_a_run_that_did_nothing_is_told_too() -> None:
    measured = measure(run_record(equity=marks(2000), fills=[], orders=[], decisions=[]))
    statistics = measured.to_json()
    json.dumps(statistics, allow_nan=False)
    assert statistics["strategy"]["sharpe"] is None
    assert statistics["strategy"]["total_return"] == 0.0
    assert any(warning.startswith("Too few trades: no order") for warning in statistics["warnings"])


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"timeframe": "7m"}, "7m"), ({"instruments": ()}, "universe"), ({"bars": pd.DataFrame()}, "instrument")],
)
def test_a_record_that_cannot_be_measured_is_refused(changes: dict, text: str) -> None:
    with pytest.raises(DataError, match=text):
        run_record(**changes)


def test_orders_are_compared_with_their_bars_volume() -> None:
    assert volume_shares(run_record().orders) == pytest.approx([0.01, 0.02])
    assert volume_shares(run_record(decisions=[decision(1.001, {}, {BTC: "0"})]).orders) == [math.inf]
    assert volume_shares(run_record(orders=[order(9, "1")]).orders) == []


def cut_by(limit: str, allowed: str) -> list[DecidedOrder]:
    """An order of 5 on a bar of 250 whose target was 10 and was approved with 5."""
    decided = decision(1.001, {BTC: "110"}, {BTC: "250"})
    veto = {"instrument": BTC, "limit": limit, "reason": "", "wanted": "10", "allowed": allowed}
    decided.record.update(vetoes=[veto], approved=[{"instrument": BTC, "quantity": "5"}])
    return list(run_record(orders=[order(1.001, "5")], decisions=[decided]).orders)


def test_what_the_limit_on_volume_took_counts_for_capacity() -> None:
    assert volume_shares(cut_by("volume", "5")) == pytest.approx([0.04])
    assert volume_shares(cut_by("volume", "7")) == pytest.approx([0.02])
    assert volume_shares(cut_by("gross", "5")) == pytest.approx([0.02])


def test_the_capital_from_which_capacity_binds_by_hand() -> None:
    """The largest order took 2% of its bar with 2,000; at half the money it takes 1%."""
    measured = measure(run_record())
    assert measured.capacity.capital == pytest.approx(1000)
    assert (measured.capacity.above, measured.capacity.orders) == (1, 2)
    assert any("begins to bind at a capital of about 1,000 USDT" in warning for warning in measured.warnings)
    twice = make_capacity(run_record().orders, 4000.0)
    assert twice.capital == pytest.approx(2000)
    assert math.isnan(make_capacity([], 1000.0).capital)


def test_beta_and_correlation_by_hand() -> None:
    """Twice the benchmark's moves and one more: slope 2, correlation 1; against it: minus both."""
    benchmark = np.array([0.01, -0.02, 0.03])
    assert beta_and_correlation(2 * benchmark + 0.01, benchmark) == pytest.approx((2.0, 1.0))
    assert beta_and_correlation(-benchmark, benchmark) == pytest.approx((-1.0, -1.0))
    assert all(math.isnan(value) for value in beta_and_correlation(benchmark, np.zeros(3)))
    flat = beta_and_correlation(np.zeros(3), benchmark)
    assert flat[0] == 0.0
    assert math.isnan(flat[1])


def test_an_instrument_that_ended_is_seen() -> None:
    both = bars({BTC: [1.0] * 20, ETH: [1.0] * 14})
    assert count_ended(run_record(bars=both, instruments=(BTC, ETH))) == 1
    assert count_ended(run_record(bars=both[both["instrument"] == BTC])) == 0
    assert count_ended(run_record(bars=both.iloc[:0])) == 0


def test_every_warning_of_a_doubtful_run_is_given() -> None:
    warnings = " ".join(measure(run_record(trial_sharpes=[1.0, 2.0, None])).warnings)
    for head in (
        "Buy and hold",
        "The Sharpe ratio cannot",
        "Too few",
        "The period is short",
        "Capacity",
        "Survivorship",
    ):
        assert head in warnings


def test_few_closings_warn() -> None:
    assert cautions.too_few_closings(30) == ""
    assert "only 1 order closed" in cautions.too_few_closings(1)
    assert "only 29 orders closed" in cautions.too_few_closings(29)


def test_a_short_period_warns() -> None:
    assert cautions.too_short(1.0) == ""
    assert "73 days" in cautions.too_short(0.2)


def test_one_trade_that_makes_the_profit_warns() -> None:
    fills = [fill(1, "BUY", "3", "100"), fill(2, "SELL", "1", "200"), fill(3, "SELL", "2", "90")]
    books = book_fills(fills, {BTC: Decimal(100)})
    assert "made 100.00 of 80.00" in cautions.one_makes_it(books)
    evenly = [fill(1, "BUY", "2", "100"), fill(2, "SELL", "1", "110"), fill(3, "SELL", "1", "110")]
    assert cautions.one_makes_it(book_fills(evenly, {BTC: Decimal(1)})) == ""
    lost = [fill(1, "BUY", "2", "100"), fill(2, "SELL", "1", "10"), fill(3, "SELL", "1", "110")]
    assert cautions.one_makes_it(book_fills(lost, {BTC: Decimal(1)})) == ""


def test_orders_too_large_for_the_market_warn() -> None:
    def caution(*shares: str, capped: bool = False) -> str:
        orders = [
            DecidedOrder(
                venue_order_id=None, instrument=BTC, quantity=Decimal(share) if share else Decimal(1), price=None,
                volume=Decimal(1) if share else Decimal(0), capped=capped,
            )
            for share in shares
        ]  # fmt: skip
        return cautions.too_large(make_capacity(orders, 1000.0), 1000.0, "USDT")

    assert caution("0.01", "0.001") == ""
    assert caution() == ""
    assert "1 of 2 orders wanted more than 1% of their bar's volume (the largest 3.00%)" in caution("0.03", "0.001")
    assert "begins to bind at a capital of about 333 USDT; this run had 1,000" in caution("0.03", "0.001")
    assert "begins to bind at a capital below 333 USDT" in caution("0.03", "0.001", capped=True)
    assert "on a bar without any" in caution("", "0.001")
    assert "begins to bind at a capital of about 10,000 USDT" in caution("", "0.001")
    assert "begins" not in caution("")


def test_survivors_warn() -> None:
    assert cautions.survivors_only(1, 4) == ""
    assert "all 4 instruments" in cautions.survivors_only(0, 4)
    assert "the one instrument" in cautions.survivors_only(0, 1)


def test_a_sharpe_that_may_be_zero_warns() -> None:
    assert cautions.perhaps_zero(interval(0.1, 2.0)) == ""
    assert "-0.50 to 2.00" in cautions.perhaps_zero(interval(-0.5, 2.0))
    assert "below zero" in cautions.perhaps_zero(interval(-2.0, -0.1))
    assert "too few returns" in cautions.perhaps_zero(interval(math.nan, math.nan))


def test_luck_among_many_trials_warns() -> None:
    deflated = Deflated(trials=20, expected_best=1.5, above_zero=0.99, probability=0.6)
    assert "Luck of 20 trials" in cautions.perhaps_luck(deflated)
    assert cautions.perhaps_luck(replace(deflated, probability=0.95)) == ""
    assert cautions.perhaps_luck(replace(deflated, trials=1)) == ""
    assert cautions.perhaps_luck(replace(deflated, probability=math.nan)) == ""


def test_a_better_benchmark_warns() -> None:
    assert cautions.benchmark_wins(0.1, 0.1) == ""
    assert "+20.0%" in cautions.benchmark_wins(0.1, 0.2)


def test_costs_that_eat_the_profit_warn() -> None:
    assert cautions.costs_eat(Decimal(50), Decimal(50)) == ""
    assert "they took 60.00" in cautions.costs_eat(Decimal(60), Decimal(40))
    assert cautions.costs_eat(Decimal(10), Decimal(-40)) == ""


def test_the_last_mark_values_what_is_open() -> None:
    """A price known only later than the last mark is not used."""
    later = bars({BTC: [100.0, 110.0, 121.0, 999.0]})
    assert measure(run_record(bars=later)).trading.books[0].last_price == 121
    assert at(2) == measure(run_record()).curves.own.index[-1]
