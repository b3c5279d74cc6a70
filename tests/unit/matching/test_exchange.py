"""The fill rules on bars, by example and by property."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.market import Bar, Instrument
from tidemill.domain.trading import OrderState, OrderType, Side, TimeInForce
from tidemill.matching import Exchange, FillRules, ListTape, Refusal, SimOrder, Ticket

START = datetime(2021, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC = Instrument(
    venue="T", base="BTC", quote="USD", price_step=Decimal("0.01"), lot_step=Decimal("0.001"), min_notional=Decimal(5)
)
RULES = FillRules(
    slippage=Decimal("0.001"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.002"),
)


def bar(hour: int, opened: str, high: str, low: str, close: str, volume: str = "100") -> Bar:
    prices = {
        name: Decimal(text)
        for name, text in zip(("open", "high", "low", "close"), (opened, high, low, close), strict=True)
    }
    return Bar(open_time=START + hour * HOUR, close_time=START + (hour + 1) * HOUR, volume=Decimal(volume), **prices)


BARS = [
    bar(0, "100", "110", "90", "105"),
    bar(1, "105", "106", "99.99", "100"),
    bar(2, "100", "120", "98", "119"),
    bar(3, "119", "121", "80", "82"),
]


def exchange(bars: list[Bar] | None = None, rules: FillRules = RULES) -> Exchange:
    made = Exchange({BTC.id: BTC}, rules, ListTape({BTC.id: bars or BARS}), start=START)
    made.open_account("a", {"USD": Decimal(10_000), "BTC": Decimal(10)})
    return made


def ticket(
    side: Side = Side.BUY,
    quantity: str = "1",
    limit: str | None = "200",
    tif: TimeInForce = TimeInForce.IOC,
    kind: OrderType = OrderType.LIMIT,
    stop: str | None = None,
    name: str = "c1",
) -> Ticket:
    return Ticket(
        client_order_id=name,
        instrument=BTC.id,
        side=side,
        order_type=kind,
        time_in_force=tif,
        quantity=Decimal(quantity),
        limit_price=None if limit is None else Decimal(limit),
        stop_price=None if stop is None else Decimal(stop),
    )


def place(venue: Exchange, order: Ticket, seconds: int = 60) -> SimOrder | Refusal:
    moment = START + timedelta(seconds=seconds)
    return venue.place("a", order, market=moment, wall=moment)


def move(venue: Exchange, hours: int) -> list:
    return venue.advance(START + hours * HOUR, START)


@pytest.mark.parametrize(
    ("seconds", "side", "limit", "price"),
    [
        (60, Side.BUY, "200", "100.10"),  # the open, slipped up
        (90, Side.BUY, "200", "100.10"),  # to the delay inclusive
        (91, Side.BUY, "200", "110.11"),  # later: the high
        (60, Side.SELL, "80", "99.90"),
        (91, Side.SELL, "80", "89.91"),  # later: the low, slipped down
    ],
)
def test_a_marketable_order_fills_against_itself(seconds: int, side: Side, limit: str, price: str) -> None:
    done = place(exchange(), ticket(side, limit=limit), seconds)
    assert isinstance(done, SimOrder)
    assert (done.state, done.trades[0].price) == (OrderState.FILLED, Decimal(price))


def test_beyond_the_limit_an_ioc_expires_and_a_gtc_rests() -> None:
    venue = exchange()
    assert place(venue, ticket(limit="100.09")).state is OrderState.EXPIRED
    assert place(venue, ticket(limit="100.09", tif=TimeInForce.GTC, name="c2")).state is OrderState.OPEN


def test_participation_is_shared_and_an_ioc_rest_expires() -> None:
    venue = exchange()
    first = place(venue, ticket(quantity="8"))
    second = place(venue, ticket(quantity="8", name="c2"))
    assert (first.filled, first.state) == (Decimal(8), OrderState.FILLED)
    assert (second.filled, second.state) == (Decimal(2), OrderState.EXPIRED)


def test_fok_fills_all_or_nothing() -> None:
    venue = exchange()
    assert place(venue, ticket(quantity="11", tif=TimeInForce.FOK)).filled == 0
    assert place(venue, ticket(quantity="9", tif=TimeInForce.FOK, name="c2")).filled == 9


def test_a_resting_limit_fills_later_at_its_limit_when_traded_through() -> None:
    venue = exchange()
    place(venue, ticket(limit="99.99", tif=TimeInForce.GTC))
    assert not move(venue, 1)  # its own bar went to 90, but it arrived in it
    assert not move(venue, 2)  # the next touched 99.99 and no lower
    (trade,) = move(venue, 3)
    assert (trade.price, trade.is_maker, trade.fee) == (Decimal("99.99"), True, Decimal("0.001"))


def test_post_only_is_refused_when_it_would_take() -> None:
    venue = exchange()
    kind = {"kind": OrderType.LIMIT_MAKER, "tif": TimeInForce.GTC}
    assert place(venue, ticket(limit="150", **kind)).code == -2010
    assert place(venue, ticket(limit="95", name="c2", **kind)).state is OrderState.OPEN


def test_a_stop_triggers_in_one_bar_and_fills_in_a_later_one() -> None:
    venue = exchange()
    order = ticket(Side.SELL, limit="82", stop="99.99", kind=OrderType.STOP_LIMIT, tif=TimeInForce.GTC, quantity="1")
    place(venue, order)
    assert not move(venue, 3)  # 98 is through the stop; from the next bar on it is a limit
    (trade,) = move(venue, 4)
    assert trade.price == Decimal(82)


@pytest.mark.parametrize(
    ("order", "code", "text"),
    [
        (ticket(limit="100.001"), -1013, "PRICE_FILTER"),
        (ticket(quantity="0.0001"), -1013, "LOT_SIZE"),
        (ticket(quantity="0.01", limit="100"), -1013, "NOTIONAL"),
        (ticket(quantity="80"), -2010, "insufficient balance"),
        (ticket(Side.SELL, quantity="11", limit="90"), -2010, "insufficient balance"),
    ],
)
def test_filters_refuse_with_the_exchange_s_codes(order: Ticket, code: int, text: str) -> None:
    venue = exchange()
    before = venue.balances("a")
    done = place(venue, order)
    assert isinstance(done, Refusal)
    assert done.code == code
    assert text in done.message
    assert venue.balances("a") == before


def test_a_client_id_is_unique_among_open_orders_only() -> None:
    venue = exchange()
    place(venue, ticket(limit="50", tif=TimeInForce.GTC))
    assert place(venue, ticket(limit="51", tif=TimeInForce.GTC)).message == "Duplicate order sent."
    venue.cancel("a", BTC.id, client_order_id="c1", new_client_order_id="x", wall=START)
    assert isinstance(place(venue, ticket(limit="51", tif=TimeInForce.GTC)), SimOrder)


def test_a_cancel_replaces_the_client_id_and_frees_the_cash() -> None:
    venue = exchange()
    place(venue, ticket(limit="50", tif=TimeInForce.GTC, quantity="2"))
    assert venue.balances("a")["USD"].locked == Decimal(100)
    done = venue.cancel("a", BTC.id, client_order_id="c1", new_client_order_id="x", wall=START)
    assert (done.state, done.client_order_id) == (OrderState.CANCELLED, "x")
    assert venue.balances("a")["USD"].locked == 0
    assert venue.find_order("a", BTC.id, client_order_id="c1") is None
    assert venue.find_order("a", BTC.id, client_order_id="x").order_id == 1
    again = venue.cancel("a", BTC.id, order_id=1, new_client_order_id="y", wall=START)
    assert again.code == -2011


def test_in_a_hole_nothing_is_taken() -> None:
    venue = exchange([BARS[0], BARS[2]])
    assert place(venue, ticket(), seconds=5400).message == "System is under maintenance."


def test_an_instrument_without_a_bar_is_closed_while_others_trade() -> None:
    from dataclasses import replace

    other = replace(BTC, base="ETH")
    tape = ListTape({BTC.id: [BARS[0]], other.id: [BARS[0], BARS[1]]})
    venue = Exchange({BTC.id: BTC, other.id: other}, RULES, tape, start=START)
    venue.open_account("a", {"USD": Decimal(1000)})
    assert place(venue, ticket(), seconds=5400).message == "Market is closed."


prices = st.decimals(50, 200, places=2)
orders = st.tuples(
    st.sampled_from(list(Side)),
    st.decimals("0.001", 20, places=3),
    prices,
    st.sampled_from(list(TimeInForce)),
    st.sampled_from([OrderType.LIMIT, OrderType.MARKET, OrderType.LIMIT_MAKER, OrderType.STOP_LIMIT]),
    prices,
)
calls = st.lists(st.one_of(orders, st.just("move"), st.integers(1, 6)), max_size=14)
tapes = st.lists(
    st.tuples(prices, st.decimals(0, 20, places=2), st.decimals(0, 20, places=2), st.decimals(0, 50, places=1)),
    min_size=12,
    max_size=12,
)


def run(tape: list, script: list, fee_asset: str) -> tuple[Exchange, list[Bar]]:
    bars = [
        bar(hour, str(opened), str(opened + up), str(max(opened - down, Decimal(1))), str(opened), str(volume))
        for hour, (opened, up, down, volume) in enumerate(tape)
    ]
    from dataclasses import replace

    venue = exchange(bars, replace(RULES, fee_asset=fee_asset))
    hour = 0
    for number, call in enumerate(script):
        if call == "move" and hour < 10:
            hour += 1
            move(venue, hour)
        elif isinstance(call, int):
            venue.cancel("a", BTC.id, order_id=call, new_client_order_id=f"x{number}", wall=START)
        elif isinstance(call, tuple):
            side, quantity, limit, tif, kind, stop = call
            market = kind is OrderType.MARKET
            order = ticket(side, str(quantity), None if market else str(limit), tif, kind, str(stop), f"c{number}")
            place(venue, order, seconds=3600 * hour + 60)
        for balance in venue.balances("a").values():
            assert balance.free >= 0
            assert balance.locked >= 0
    return venue, bars


@given(tapes, calls, st.sampled_from(["received", "quote"]))
def test_money_is_conserved_to_the_last_unit(tape: list, script: list, fee_asset: str) -> None:
    venue, bars = run(tape, script, fee_asset)
    trades = venue.trades("a")
    spent = sum((one.price * one.quantity * (1 if one.side is Side.BUY else -1) for one in trades), Decimal(0))
    bought = sum((one.quantity * (1 if one.side is Side.BUY else -1) for one in trades), Decimal(0))
    totals = {asset: balance.total for asset, balance in venue.balances("a").items()}
    fees = venue.fees
    assert totals.get("USD", 0) + spent + fees.get("USD", 0) == 10_000
    assert totals.get("BTC", 0) - bought + fees.get("BTC", 0) == 10
    if not venue.orders("a", open_only=True):
        assert all(balance.locked == 0 for balance in venue.balances("a").values())
    for one in trades:
        limit = venue.find_order("a", BTC.id, order_id=one.order_id).ticket.limit_price
        if limit is not None:
            assert one.price <= limit if one.side is Side.BUY else one.price >= limit
    for one in bars:
        inside = [t for t in trades if one.open_time <= t.market_time < one.close_time and not t.is_maker]
        made = [t for t in trades if t.market_time == one.close_time and t.is_maker]
        assert sum((t.quantity for t in [*inside, *made]), Decimal(0)) <= one.volume * RULES.participation


@given(tapes, calls)
def test_the_same_input_gives_the_same_fills(tape: list, script: list) -> None:
    first, _ = run(tape, script, "received")
    second, _ = run(tape, script, "received")
    assert first.trades("a") == second.trades("a")
    assert first.orders("a") == second.orders("a")
