"""Spread, impact and latency by hand, and that what depends on volume never crosses a limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import DataError
from tidemill.domain.market import Bar, Instrument
from tidemill.domain.trading import OrderState, OrderType, Side, TimeInForce
from tidemill.matching import Exchange, FillRules, ListTape, Refusal, SimOrder, Ticket
from tidemill.matching.impact import Impact

D = Decimal
OPEN = datetime(2021, 4, 19, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NAME = "BTC-USDT.T"
BTC = Instrument(venue="T", base="BTC", quote="USDT", price_step=D("0.01"), lot_step=D("0.001"), min_notional=D(5))
PLAIN = FillRules(
    slippage=D("0.001"),
    participation=D("0.5"),
    decision_delay=timedelta(seconds=90),
    fee_maker=D(0),
    fee_taker=D("0.001"),
)


def bar(number: int = 0, length: timedelta = HOUR, volume: str = "100", first: str = "100") -> Bar:
    opened = OPEN + number * length
    return Bar(
        open_time=opened,
        close_time=opened + length,
        open=D(first),
        high=D(first) + 10,
        low=D(first) - 10,
        close=D(first),
        volume=D(volume),
    )


def send(
    rules: FillRules,
    side: Side = Side.BUY,
    quantity: str = "1",
    limit: str | None = None,
    *,
    bars: tuple[Bar, ...] = (bar(),),
    seconds: float = 90,
    quote: str | None = None,
) -> SimOrder | Refusal:
    exchange = Exchange({NAME: BTC}, rules, ListTape({NAME: bars}), start=OPEN)
    exchange.open_account("a", {"USDT": D(100_000), "BTC": D(1000)})
    ticket = Ticket(
        client_order_id="1",
        instrument=NAME,
        side=side,
        order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=D(0) if quote else D(quantity),
        limit_price=D(limit) if limit else None,
        quote_quantity=D(quote) if quote else None,
    )
    moment = OPEN + timedelta(seconds=seconds)
    return exchange.place("a", ticket, market=moment, wall=moment)


def filled(told: SimOrder | Refusal) -> tuple[Decimal, Decimal]:
    assert isinstance(told, SimOrder), told
    return told.trades[0].price, told.filled


def test_half_the_spread_is_paid_on_top_of_slippage() -> None:
    wide = replace(PLAIN, spread=D("0.004"))
    assert filled(send(PLAIN)) == (D("100.10"), D(1))
    assert filled(send(wide)) == (D("100.30"), D(1))
    assert filled(send(wide, Side.SELL)) == (D("99.70"), D(1))


@pytest.mark.parametrize(
    ("quantity", "buy", "sell"),
    # 0.1 % slippage, and 2 % * sqrt(share of 100): 1 -> 0.2 %, 4 -> 0.4 %, 25 -> 1 %
    [("1", "100.30", "99.70"), ("4", "100.50", "99.50"), ("25", "101.10", "98.90")],
)
def test_impact_grows_with_the_square_root_of_the_share(quantity: str, buy: str, sell: str) -> None:
    deep = replace(PLAIN, impact=D("0.02"))
    assert filled(send(deep, Side.BUY, quantity)) == (D(buy), D(quantity))
    assert filled(send(deep, Side.SELL, quantity)) == (D(sell), D(quantity))


def test_a_limit_cuts_an_order_to_what_it_may_move_the_price() -> None:
    # within 100.50 the impact may be 0.4 %: a share of (0.4 / 2)^2 = 4 % of 100
    deep = replace(PLAIN, impact=D("0.02"))
    told = send(deep, Side.BUY, "25", "100.50")
    assert filled(told) == (D("100.50"), D(4))
    assert isinstance(told, SimOrder)
    assert told.state is OrderState.EXPIRED
    nothing = send(deep, Side.BUY, "25", "100.05")
    assert isinstance(nothing, SimOrder)
    assert nothing.filled == 0


def test_a_market_order_by_quote_never_spends_more() -> None:
    price, quantity = filled(send(replace(PLAIN, impact=D("0.02")), quote="1000"))
    assert D(990) < price * quantity <= 1000


def test_latency_moves_the_arrival_into_another_bar() -> None:
    minutes = tuple(bar(number, MINUTE, first=str(100 + number)) for number in range(5))
    late = replace(PLAIN, latency=timedelta(seconds=45))
    assert filled(send(PLAIN, bars=minutes))[0] == D("101.11")
    assert filled(send(late, bars=minutes))[0] == D("102.11")


def test_latency_alone_does_not_cost_the_open_of_a_long_bar() -> None:
    assert filled(send(replace(PLAIN, latency=timedelta(seconds=45))))[0] == D("100.10")
    assert filled(send(replace(PLAIN, latency=timedelta(seconds=45)), seconds=91))[0] == D("110.11")


def test_who_arrives_after_the_market_went_away_is_refused() -> None:
    told = send(replace(PLAIN, latency=2 * HOUR))
    assert isinstance(told, Refusal)


@pytest.mark.parametrize(
    "wrong",
    [{"spread": D(-1)}, {"impact": D("1.5")}, {"slippage": D("0.6"), "impact": D("0.5")}, {"latency": -HOUR}],
)
def test_rules_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError):
        replace(PLAIN, **wrong)  # type: ignore[arg-type]


@given(
    st.booleans(),
    st.decimals("0.01", "1000", places=2),
    st.decimals("0", "0.05", places=4),
    st.decimals("0.0001", "0.5", places=4),
    st.decimals("0.001", "500", places=3),
    st.decimals("0.01", "1500", places=3),
    st.decimals("0.001", "400", places=3),
)
def test_the_most_within_a_limit_is_within_it_and_the_most(
    is_buy: bool, raw: Decimal, cost: Decimal, rate: Decimal, volume: Decimal, limit: Decimal, most: Decimal
) -> None:
    step, lot = D("0.01"), D("0.001")
    made = Impact(raw=raw, cost=cost, rate=rate, volume=volume, price_step=step, lot_step=lot, is_buy=is_buy)
    found = made.largest_within(limit, min(most, volume))
    assert 0 <= found <= most
    assert found % lot == 0
    if found:
        assert made.price(found) <= limit if is_buy else made.price(found) >= limit
    # at most a few lots more would also be within: rounding the price may hide them
    more = found + 2 * lot
    if more <= min(most, volume):
        exact = (
            raw * (1 + cost + rate * (more / volume).sqrt())
            if is_buy
            else raw * (1 - cost - rate * (more / volume).sqrt())
        )
        assert (exact > limit - step) if is_buy else (exact < limit + step)
