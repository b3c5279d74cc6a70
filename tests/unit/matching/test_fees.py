"""Fees in any asset, orders by quote, and the exchange's filters."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tidemill.domain.errors import DataError
from tidemill.domain.market import Bar, Instrument
from tidemill.domain.trading import OrderState, OrderType, Side, TimeInForce
from tidemill.matching import Exchange, FillRules, ListTape, Refusal, SimOrder, SimTrade, Ticket

START, HOUR = datetime(2021, 1, 1, tzinfo=UTC), timedelta(hours=1)
BTC = Instrument(
    venue="T", base="BTC", quote="USD", price_step=Decimal("0.01"), lot_step=Decimal("0.001"), min_notional=Decimal(5)
)
RULES = FillRules(
    slippage=Decimal(0),
    participation=Decimal(1),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)
THIRD = replace(RULES, fee_asset="BNB", fee_asset_prices={"USD": Decimal(300)})


def exchange(rules: FillRules = RULES, instrument: Instrument = BTC, **balances: str) -> Exchange:
    times = [{"open_time": START + hour * HOUR, "close_time": START + (hour + 1) * HOUR} for hour in range(4)]
    price = Decimal(100)
    bars = [Bar(**one, open=price, high=price, low=price, close=price, volume=Decimal(10)) for one in times]
    made = Exchange({instrument.id: instrument}, rules, ListTape({instrument.id: bars}), start=START)
    made.open_account("a", {asset: Decimal(text) for asset, text in balances.items()})
    return made


def ticket(side: Side = Side.BUY, quantity: str = "1", limit: str | None = "100", **named: object) -> Ticket:
    return Ticket(
        **{
            "client_order_id": "c1",
            "instrument": BTC.id,
            "side": side,
            "order_type": OrderType.LIMIT if limit else OrderType.MARKET,
            "time_in_force": TimeInForce.GTC,
            "quantity": Decimal(quantity),
            "limit_price": Decimal(limit) if limit else None,
        }
        | named
    )


def place(venue: Exchange, order: Ticket) -> SimOrder | Refusal:
    return venue.place("a", order, market=START, wall=START)


def fee(trade: SimTrade) -> tuple[str, str]:
    return str(trade.fee), trade.fee_asset


def test_a_third_asset_pays_what_the_trade_was_worth_in_it() -> None:
    venue = exchange(THIRD, USD="1000", BNB="1")
    # 100 USD x 0.001 = 0.1 USD; at 300 USD a BNB that is 0.000333..., rounded up
    assert fee(place(venue, ticket()).trades[0]) == ("0.00033334", "BNB")
    assert venue.balances("a")["BNB"].free == Decimal("0.99966666")
    assert venue.balances("a")["BTC"].free == 1


@pytest.mark.parametrize(
    ("held", "side", "told"),
    [
        ("0.00033334", Side.BUY, ("0.00033334", "BNB")),
        ("0.00033333", Side.BUY, ("0.00100000", "BTC")),
        ("0.00033333", Side.SELL, ("0.10000000", "USD")),
        ("0", Side.SELL, ("0.10000000", "USD")),
    ],
)
def test_what_the_third_asset_does_not_cover_is_taken_from_what_is_received(
    held: str, side: Side, told: tuple[str, str]
) -> None:
    venue = exchange(THIRD, USD="1000", BTC="1", BNB=held)
    assert fee(place(venue, ticket(side)).trades[0]) == told


def test_a_third_asset_may_be_the_quote_itself() -> None:
    rules = replace(RULES, fee_asset="USD")
    assert fee(place(exchange(rules, USD="1000"), ticket()).trades[0]) == ("0.10000000", "USD")
    assert fee(place(exchange(rules, USD="100"), ticket()).trades[0]) == ("0.00100000", "BTC")


@pytest.mark.parametrize(("side", "asset"), [(Side.BUY, "USD"), (Side.SELL, "BTC")])
def test_a_fee_leaves_what_the_next_level_costs(side: Side, asset: str) -> None:
    rules = replace(RULES, fee_asset=asset, fee_asset_prices={"USD": Decimal(100)} if asset == "BTC" else {})
    venue = exchange(rules, USD="201", BTC="2")
    levels = [(Decimal(100), Decimal(1)), (Decimal(101 if side is Side.BUY else 99), Decimal(1))]
    book = ([], levels) if side is Side.BUY else (levels, [])
    venue.feed_book(BTC.id, *book, market=START, wall=START)
    done = place(venue, ticket(side, "2", limit=None))
    assert (done.state, {one.fee_asset for one in done.trades}) == (OrderState.FILLED, {"BTC", "USD"} - {asset})
    assert all(one.free >= 0 for one in venue.balances("a").values())


def test_a_third_asset_without_a_price_is_refused_at_the_start() -> None:
    with pytest.raises(DataError, match="its price in USD"):
        exchange(replace(RULES, fee_asset="BNB"))
    with pytest.raises(DataError, match="must be > 0"):
        replace(THIRD, fee_asset_prices={"USD": Decimal(0)})


@pytest.mark.parametrize("name", ["slippage", "fee_maker", "fee_taker"])
def test_rules_that_cannot_be_meant_are_refused(name: str) -> None:
    for wrong in (Decimal(-1), Decimal(1)):
        with pytest.raises(DataError, match=name):
            replace(RULES, **{name: wrong})


def test_equal_rules_hash_alike_and_cannot_be_changed_from_outside() -> None:
    prices = {"USD": Decimal(300)}
    rules = replace(RULES, fee_asset="BNB", fee_asset_prices=prices)
    assert (rules, hash(rules)) == (THIRD, hash(THIRD))
    assert rules != replace(THIRD, fee_asset_prices={"USD": Decimal(301)})
    prices["USD"] = Decimal(1)
    assert rules == THIRD


def test_trades_and_orders_are_frozen_values_like_any_other() -> None:
    done = place(exchange(USD="1000"), ticket())
    for one in (done, done.trades[0]):
        again = type(one)(**{name: getattr(one, name) for name in one.__slots__})
        assert (again, hash(again), repr(again)) == (one, hash(one), repr(one))
        with pytest.raises(FrozenInstanceError):
            one.account = "b"
    assert replace(done, filled=Decimal(0)).rest == 1


def test_fees_in_quote_never_overdraw_what_was_locked_for_them() -> None:
    rules = replace(RULES, fee_asset="quote", fee_maker=Decimal("0.00033333"), fee_taker=Decimal("0.00033333"))
    # 0.003 x 100.01 = 0.30003, fee 0.000100009 -> 0.00010001: all that the account has is locked. Each third's
    # 0.0000333363 rounded up to 0.00003334 would be a unit too much; for two thirds 0.00006668 must stay locked,
    # which leaves 0.00003333 for the first.
    venue = exchange(rules, replace(BTC, min_notional=Decimal(0)), USD="0.30013001")
    venue.feed_book(BTC.id, [], [], market=START, wall=START)
    place(venue, ticket(quantity="0.003", limit="100.01"))
    for _ in range(3):
        venue.feed_book(BTC.id, [], [(Decimal(100), Decimal("0.001"))], market=START, wall=START)
    assert [str(one.fee) for one in venue.trades("a")] == ["0.00003333", "0.00003334", "0.00003334"]
    assert "USD" not in venue.balances("a")


def test_a_fee_takes_no_more_than_is_received() -> None:
    tiny = replace(BTC, lot_step=Decimal("1e-9"), min_notional=Decimal(0))
    done = place(exchange(RULES, tiny, USD="1"), ticket(quantity="1e-9"))
    assert done.trades[0].fee == Decimal("1e-9")


def by_quote(amount: str, side: Side = Side.BUY, **named: object) -> Ticket:
    return ticket(side, limit=None, quote_quantity=Decimal(amount), **({"quantity": Decimal(0)} | named))


def test_a_quote_quantity_buys_what_it_pays_for_rounded_down_to_the_lot() -> None:
    done = place(exchange(USD="250"), by_quote("250"))
    assert (done.ticket.quantity, done.filled, done.state) == (Decimal("2.5"), Decimal("2.5"), OrderState.FILLED)
    done = place(exchange(USD="250"), by_quote("249.99"))
    assert (done.filled, done.quote_filled) == (Decimal("2.499"), Decimal("249.9"))
    done = place(exchange(BTC="9"), by_quote("70.09", Side.SELL))
    assert (done.filled, done.quote_filled) == (Decimal("0.7"), Decimal(70))


def test_a_quote_quantity_walks_the_book() -> None:
    venue = exchange(USD="1000")
    asks = [(Decimal(100), Decimal("0.5")), (Decimal("120.5"), Decimal(1))]
    venue.feed_book(BTC.id, [], asks, market=START, wall=START)
    done = place(venue, by_quote("100"))  # 50 for 0.5, and 50 / 120.5 = 0.4149...
    assert (done.filled, done.quote_filled, done.state) == (Decimal("0.914"), Decimal("99.887"), OrderState.FILLED)
    venue.feed_book(BTC.id, [], asks, market=START, wall=START)
    done = place(venue, by_quote("300"))  # beyond the book: (300 - 170.5) / 120.5 = 1.0746... more, which expire
    assert (done.ticket.quantity, done.filled, done.state) == (Decimal("2.574"), Decimal("1.5"), OrderState.EXPIRED)
    assert place(venue, by_quote("300")).message == "Order book liquidity is less than symbol minimum quantity."


@pytest.mark.parametrize(
    ("order", "code", "text"),
    [
        (ticket(limit="1000000000.01"), -1013, "PRICE_FILTER"),
        (ticket(limit="0"), -1013, "PRICE_FILTER"),
        (ticket(quantity="1e40"), -1013, "LOT_SIZE"),
        (ticket(quantity="9000000000.001"), -1013, "LOT_SIZE"),
        (ticket(quantity="0"), -1013, "LOT_SIZE"),
        (ticket(quantity="10", limit="1000000000"), -1013, "NOTIONAL"),
        (ticket(quantity="0.049", limit=None), -1013, "NOTIONAL"),
        (by_quote("4.99"), -1013, "NOTIONAL"),
        (by_quote("10", quantity=Decimal(1)), -1128, "Combination"),
        (ticket(quote_quantity=Decimal(10)), -1106, "quoteOrderQty"),
        (by_quote("1000.01"), -2010, "insufficient"),
        (ticket(instrument="ETH-USD.T"), -1121, "Invalid symbol"),
    ],
)
def test_filters_have_the_exchange_s_codes(order: Ticket, code: int, text: str) -> None:
    venue = exchange(replace(RULES, fee_asset="quote"), USD="1000", BTC="1")
    refused = place(venue, order)
    assert isinstance(refused, Refusal)
    assert refused.code == code
    assert text in refused.message
    assert venue.check("a", order, market=START) == refused


def test_two_hundred_orders_may_rest_and_others_still_trade() -> None:
    venue = exchange(USD="100000")
    for number in range(200):
        assert isinstance(place(venue, ticket(limit="90", client_order_id=f"r{number}")), SimOrder)
    refused = place(venue, ticket(limit="90"))
    assert (refused.code, refused.message) == (-2010, "Filter failure: MAX_NUM_ORDERS")
    assert place(venue, ticket(time_in_force=TimeInForce.IOC)).state is OrderState.FILLED
    venue.cancel("a", BTC.id, client_order_id="r7", new_client_order_id="x", wall=START)
    assert place(venue, ticket(limit="90")).state is OrderState.OPEN
