"""Profit, holdings and costs from fills, by hand and to the last unit."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.runs_made import BTC, ETH, at, bars, decision, fill, marks, order

from tidemill.domain.errors import DataError
from tidemill.performance.costs import attribute_costs
from tidemill.performance.holdings import (
    annual_turnover,
    buy_and_hold,
    closes_at,
    exposure_by_instrument,
    gross_exposure,
    positions_at,
    time_in_market,
    turnover_curve,
)
from tidemill.performance.positions import book_fills, hit_rate, movements_of, profit_factor
from tidemill.performance.record import decided_orders
from tidemill.performance.returns import make_curve


def times(count: int) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([at(day) for day in range(count)]).as_unit("us")


def book(*fills, price: str = "100"):
    return book_fills(fills, {BTC: Decimal(price)})[0]


def test_average_cost_by_hand() -> None:
    """10 at 100 and 10 at 120 cost 110 each; 5 sold at 130 make 100, the 15 left lose 30 at 108."""
    position = book(fill(1, "BUY", "10", "100"), fill(2, "BUY", "10", "120"), fill(3, "SELL", "5", "130"), price="108")
    assert (position.quantity, position.cost) == (15, 1650)
    assert (position.realised, position.unrealised, position.profit) == (100, -30, 70)
    assert [(closing.quantity, closing.profit) for closing in position.closings] == [(5, 100)]
    assert position.traded == 1000 + 1200 + 650


def test_fees_on_both_sides_count() -> None:
    position = book(fill(1, "BUY", "1", "100", fee=Decimal(1)), fill(2, "SELL", "1", "100", fee=Decimal(2)))
    assert (position.realised, position.fees, position.quantity, position.cost) == (-3, 3, 0, 0)


def test_a_fee_in_base_reduces_the_position() -> None:
    bought = fill(1, "BUY", "1", "100", fee=Decimal("0.1"), fee_asset="BTC")
    assert movements_of(bought) == (Decimal("0.9"), Decimal(-100), Decimal(10))
    position = book(bought, price="100")
    assert (position.quantity, position.unrealised, position.fees) == (Decimal("0.9"), Decimal(-10), Decimal(10))


def test_a_position_may_turn_over_through_zero() -> None:
    """Sold 3 of 1 held: the first closes with 10 of profit, two are short at 110 and lose when it rises."""
    position = book(fill(1, "BUY", "1", "100"), fill(2, "SELL", "3", "110"), fill(3, "BUY", "2", "115"), price="1")
    assert [closing.profit for closing in position.closings] == [10, -10]
    assert (position.quantity, position.cost, position.profit) == (0, 0, 0)


def test_fills_of_one_order_are_one_closing() -> None:
    sold = [fill(day, "SELL", "1", "110", venue_order_id="one") for day in (2, 3)]
    position = book(fill(1, "BUY", "2", "100"), *sold)
    assert [(closing.quantity, closing.profit) for closing in position.closings] == [(2, 20)]


def test_a_fee_in_a_third_asset_is_refused() -> None:
    with pytest.raises(DataError, match="BNB"):
        book(fill(1, "BUY", "1", "100", fee=Decimal(1), fee_asset="BNB"))


def test_a_fill_without_a_price_is_refused() -> None:
    with pytest.raises(DataError, match=ETH):
        book(fill(1, "BUY", "1", "100", instrument=ETH))


amounts = st.integers(1, 10**6).map(lambda value: Decimal(value) / 1000)
some_fills = st.lists(
    st.tuples(st.sampled_from(["BUY", "SELL"]), amounts, amounts, st.sampled_from(["BTC", "USDT"])), max_size=25
)


@given(some_fills, amounts)
def test_profit_is_what_fills_changed_in_equity(movements: list, last: Decimal) -> None:
    fills = [
        fill(day, side, str(quantity), str(price), fee=quantity / 1000, fee_asset=asset)
        for day, (side, quantity, price, asset) in enumerate(movements)
    ]
    position = book_fills(fills, {BTC: last})[0]
    held = sum((movements_of(fill)[0] for fill in fills), Decimal(0))
    cash = sum((movements_of(fill)[1] for fill in fills), Decimal(0))
    assert position.quantity == held
    assert float(position.profit) == pytest.approx(float(cash + held * last), abs=1e-6)
    assert float(sum((closing.profit for closing in position.closings), Decimal(0))) == pytest.approx(
        float(position.realised), abs=1e-6
    )


def test_hit_rate_and_profit_factor_by_hand() -> None:
    profits = [Decimal(profit) for profit in (30, -10, 0, -5)]
    assert hit_rate(profits) == 0.25
    assert profit_factor(profits) == 2.0
    assert profit_factor(profits[:1]) == math.inf
    assert math.isnan(profit_factor([]))
    assert math.isnan(hit_rate([]))


def test_closes_are_the_last_known() -> None:
    frame = pd.concat([bars({BTC: [1.0, 2.0, 3.0]}), bars({ETH: [9.0]}).assign(open_time=pd.Timestamp(at(0)))])
    closes = closes_at(frame, times(4), [BTC, ETH], 86400)
    assert list(closes[BTC]) == [1, 2, 3, 3]
    assert closes[ETH].isna().tolist() == [True, False, False, False]


def test_positions_are_those_held_until_the_next_mark() -> None:
    held = positions_at([fill(0.1, "BUY", "2", "100"), fill(1.0, "SELL", "1", "100")], times(3), [BTC, ETH])
    assert list(held[BTC]) == [2, 1, 1]
    assert list(held[ETH]) == [0, 0, 0]


def test_exposure_by_hand() -> None:
    curve = make_curve(marks(1000, 1000, 1000))
    held = pd.DataFrame({BTC: [2.0, -1.0, 0.0], ETH: [0.0, 1.0, 0.0]}, index=curve.index)
    closes = pd.DataFrame({BTC: [100.0, 200.0, 100.0], ETH: [np.nan, 300.0, 1.0]}, index=curve.index)
    exposure = exposure_by_instrument(held, closes, curve)
    assert list(exposure[BTC]) == pytest.approx([0.2, -0.2, 0])
    assert list(gross_exposure(exposure)) == pytest.approx([0.2, 0.5, 0])
    assert time_in_market(gross_exposure(exposure)) == 1.0
    assert time_in_market(pd.Series([0.5, 0.001, 0.0, 1.0])) == pytest.approx(1 / 3)
    assert math.isnan(time_in_market(pd.Series([1.0])))


def test_turnover_by_hand() -> None:
    curve = make_curve(marks(1000, 500, 500))
    turnover = turnover_curve([fill(0.1, "BUY", "1", "100"), fill(1.5, "SELL", "1", "50")], curve)
    assert list(turnover) == pytest.approx([0.1, 0.1, 0])
    assert annual_turnover(turnover, 0.5) == pytest.approx(0.4)
    assert math.isnan(annual_turnover(turnover, 0.0))


def test_buy_and_hold_by_hand() -> None:
    """Half in each; ETH is listed a day later and keeps its half in cash until then; 1% is paid to buy."""
    closes = pd.DataFrame({BTC: [100.0, 200.0, 200.0], ETH: [np.nan, 10.0, 20.0]}, index=times(3))
    assert list(buy_and_hold(closes, 1000.0, 0.01)) == pytest.approx([1000, 990 + 495, 990 + 990])


def test_buy_and_hold_of_what_never_traded_stays_cash() -> None:
    closes = pd.DataFrame({BTC: [np.nan, np.nan]}, index=times(2))
    assert list(buy_and_hold(closes, 1000.0, 0.01)) == [1000, 1000]


def test_costs_by_hand() -> None:
    """Bought 10 at 101 when 99 was decided on: 20 worse, 10 of it slippage; sold 5 at 99, not 100: 5 and 5."""
    fills = [fill(1, "BUY", "10", "101", fee=Decimal(2)), fill(2, "SELL", "5", "99", fee=Decimal(1))]
    decisions = [decision(1, {BTC: "99"}, {}), decision(2, {BTC: "100"}, {})]
    costs = attribute_costs(
        fills, decided_orders([order(1, "10"), order(2, "5")], decisions), slippage_rate=Decimal("0.01")
    )
    assert (costs.fees, costs.shortfall, costs.slippage, costs.drift) == (3, 25, 15, 10)
    assert (costs.total, costs.traded, costs.funding, costs.unexplained_fills) == (28, 1505, 0, 0)


def test_costs_that_are_not_recorded_are_not_made_up() -> None:
    costs = attribute_costs([fill(1, "BUY", "10", "101")], [], funding=Decimal(-4))
    assert (costs.slippage, costs.drift, costs.shortfall, costs.unexplained_fills) == (None, None, 0, 1)
    assert costs.total == -4
