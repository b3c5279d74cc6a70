"""The fill rules on books, by example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tidemill.domain.errors import DataError
from tidemill.domain.market import Bar, Instrument
from tidemill.domain.trading import OrderState, OrderType, Side, TimeInForce
from tidemill.matching import Book, Exchange, FillRules, ListTape, Refusal, SimOrder, SimTrade, Ticket

START, HOUR = datetime(2021, 1, 1, tzinfo=UTC), timedelta(hours=1)
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
BIDS = [("99", "2"), ("98", "3")]
ASKS = [("100", "1"), ("101", "2"), ("103", "5")]


def side(levels: list[tuple[str, str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in levels]


def feed(venue: Exchange, bids: list[tuple[str, str]], asks: list[tuple[str, str]], minute: int = 0) -> list[SimTrade]:
    moment = START + timedelta(minutes=minute)
    return venue.feed_book(BTC.id, side(bids), side(asks), market=moment, wall=moment)


def exchange(bars: list[Bar] | None = None) -> Exchange:
    made = Exchange({BTC.id: BTC}, RULES, ListTape({BTC.id: bars or []}), start=START)
    for account in ("a", "b"):
        made.open_account(account, {"USD": Decimal(10_000), "BTC": Decimal(10)})
    return made


def place(
    venue: Exchange,
    side: Side,
    quantity: str,
    limit: str | None = None,
    *,
    tif: TimeInForce = TimeInForce.GTC,
    kind: OrderType | None = None,
    stop: str | None = None,
    account: str = "a",
    minute: int = 1,
) -> SimOrder | Refusal:
    ticket = Ticket(
        client_order_id=f"c{venue.order_count}",
        instrument=BTC.id,
        side=side,
        order_type=kind or (OrderType.LIMIT if limit else OrderType.MARKET),
        time_in_force=tif,
        quantity=Decimal(quantity),
        limit_price=Decimal(limit) if limit else None,
        stop_price=Decimal(stop) if stop else None,
    )
    moment = START + timedelta(minutes=minute)
    return venue.place(account, ticket, market=moment, wall=moment)


def fills(trades: list[SimTrade] | tuple[SimTrade, ...]) -> list[tuple[Decimal, Decimal]]:
    return [(one.price, one.quantity) for one in trades]


@pytest.fixture
def venue() -> Exchange:
    made = exchange()
    feed(made, BIDS, ASKS)
    return made


def test_a_marketable_order_walks_the_levels_without_slippage(venue: Exchange) -> None:
    done = place(venue, Side.BUY, "2.5", "102", tif=TimeInForce.IOC)
    assert fills(done.trades) == side([("100", "1"), ("101", "1.500")])
    assert not any(one.is_maker for one in done.trades)
    assert [one.fee for one in done.trades] == [Decimal("0.002"), Decimal("0.003")]


def test_what_was_taken_is_gone_until_the_next_feed(venue: Exchange) -> None:
    place(venue, Side.BUY, "2.5", "102")
    again = place(venue, Side.BUY, "1", "102", tif=TimeInForce.IOC, account="b")
    assert (fills(again.trades), again.state) == (side([("101", "0.500")]), OrderState.EXPIRED)
    feed(venue, BIDS, ASKS)
    assert fills(place(venue, Side.BUY, "1", "102").trades) == side([("100", "1")])


def test_a_market_order_takes_the_whole_side_and_its_rest_expires(venue: Exchange) -> None:
    done = place(venue, Side.SELL, "7")
    assert (fills(done.trades), done.state) == (side([("99", "2"), ("98", "3")]), OrderState.EXPIRED)
    empty = place(venue, Side.SELL, "1")
    assert (empty.filled, empty.state) == (0, OrderState.EXPIRED)


def test_fok_takes_all_or_nothing(venue: Exchange) -> None:
    assert place(venue, Side.BUY, "3.001", "101", tif=TimeInForce.FOK).state is OrderState.EXPIRED
    assert place(venue, Side.BUY, "3", "101", tif=TimeInForce.FOK).state is OrderState.FILLED


def test_a_gtc_rest_stays_and_fills_as_maker_beyond_its_limit_only(venue: Exchange) -> None:
    done = place(venue, Side.BUY, "4", "101")
    assert (done.filled, done.state) == (Decimal(3), OrderState.PARTLY_FILLED)
    assert not feed(venue, [("100", "1")], [("101", "9")], 2)  # its own price is not beyond it
    (trade,) = feed(venue, [("99", "1")], [("100.5", "0.25"), ("100.99", "0.5"), ("101", "9")], 3)
    assert (trade.price, trade.quantity, trade.is_maker) == (Decimal(101), Decimal("0.75"), True)
    assert trade.market_time == START + timedelta(minutes=3)


def test_of_resting_orders_the_best_price_fills_first_then_the_oldest(venue: Exchange) -> None:
    for limit, account in (("98.5", "a"), ("98.7", "a"), ("98.7", "b")):
        place(venue, Side.BUY, "1", limit, account=account)
    trades = feed(venue, [("97", "1")], [("98", "1.5"), ("98.6", "0.2")], 2)
    assert [(one.order_id, one.quantity) for one in trades] == [(2, Decimal(1)), (3, Decimal("0.7"))]


def test_post_only_is_refused_while_its_price_is_there(venue: Exchange) -> None:
    kind = OrderType.LIMIT_MAKER
    assert place(venue, Side.BUY, "1", "100", kind=kind).message == "Order would immediately match and take."
    place(venue, Side.BUY, "1", "100", tif=TimeInForce.IOC)
    assert place(venue, Side.BUY, "1", "100", kind=kind).state is OrderState.OPEN


def test_a_stop_triggers_at_the_best_opposite_price_and_takes_at_once(venue: Exchange) -> None:
    order = place(venue, Side.SELL, "3", "96", kind=OrderType.STOP_LIMIT, stop="97")
    assert not order.triggered
    assert not feed(venue, [("97.01", "9")], [("100", "1")], 2)
    trades = feed(venue, [("97", "1"), ("96", "1"), ("95", "5")], [("100", "1")], 3)
    assert fills(trades) == side([("97", "1"), ("96", "1")])
    assert not any(one.is_maker for one in trades)
    assert fills(feed(venue, [("96.01", "7")], [("100", "1")], 4)) == side([("96", "1")])


def test_a_stop_that_is_reached_already_is_refused(venue: Exchange) -> None:
    for side_, stop in ((Side.BUY, "100"), (Side.SELL, "99")):
        refused = place(venue, side_, "1", "100", kind=OrderType.STOP_LIMIT, stop=stop)
        assert (refused.code, refused.message) == (-2010, "Order would trigger immediately.")


def test_a_market_order_must_be_able_to_pay_for_the_levels_it_takes(venue: Exchange) -> None:
    venue.open_account("poor", {"USD": Decimal("301.99")})
    assert "insufficient" in place(venue, Side.BUY, "3", account="poor").message
    assert place(venue, Side.BUY, "2.999", account="poor").state is OrderState.FILLED


def test_a_book_opens_the_market_and_bars_come_back_when_it_is_dropped() -> None:
    def bar(hour: int, low: str) -> Bar:
        shape = {"open": "100", "high": "101", "low": low, "close": "100", "volume": "50"}
        times = {"open_time": START + hour * HOUR, "close_time": START + (hour + 1) * HOUR}
        return Bar(**times, **{name: Decimal(text) for name, text in shape.items()})

    venue = exchange([bar(1, "90"), bar(2, "90"), bar(3, "90")])
    assert place(venue, Side.BUY, "1", "95").code == -1000
    feed(venue, BIDS, ASKS)
    assert place(venue, Side.BUY, "1", "95").state is OrderState.OPEN
    assert not venue.advance(START + 2 * HOUR, START)  # the bar went to 90, but the book holds
    venue.drop_book(BTC.id, market=START + 2 * HOUR)
    assert not venue.advance(START + 3 * HOUR, START)  # opened when the book was dropped, not after
    (trade,) = venue.advance(START + 4 * HOUR, START)
    assert (trade.price, trade.is_maker) == (Decimal(95), True)


def test_quantities_below_a_lot_are_not_there() -> None:
    venue = exchange()
    feed(venue, [], [("100", "0.0009"), ("101", "1.0009")])
    done = place(venue, Side.BUY, "2")
    assert fills(done.trades) == side([("101", "1")])


@pytest.mark.parametrize(
    ("bids", "asks", "text"),
    [
        ([("99", "1"), ("99", "1")], [], "must fall"),
        ([], [("99", "1"), ("98", "1")], "must rise"),
        ([("100", "1")], [("100", "1")], "crossed"),
        ([("99", "0")], [], "> 0"),
        ([("-1", "1")], [], "> 0"),
        ([("NaN", "1")], [], "> 0"),
        ([("99.005", "1")], [], "not a multiple"),
    ],
)
def test_a_book_that_cannot_be_is_refused_and_the_last_one_stays(bids: list, asks: list, text: str) -> None:
    venue = exchange()
    feed(venue, BIDS, ASKS)
    with pytest.raises(DataError, match=text):
        feed(venue, bids, asks)
    assert fills(place(venue, Side.BUY, "1").trades) == side([("100", "1")])


def test_a_book_holds_pairs_of_decimals_and_an_instrument_of_the_venue() -> None:
    with pytest.raises(DataError, match="Decimals"):
        Book(bids=((99.0, 1.0),), asks=())
    with pytest.raises(DataError, match="pairs"):
        Book.of([(Decimal(1),)], [])
    with pytest.raises(DataError, match="no instrument X"):
        exchange().feed_book("X", [], [], market=START, wall=START)


def test_a_closed_bar_keeps_its_room_when_an_order_took_of_the_running_one_first() -> None:
    def bar(hour: int) -> Bar:
        shape = {"open": "100", "high": "101", "low": "90", "close": "100", "volume": "50"}
        times = {"open_time": START + hour * HOUR, "close_time": START + (hour + 1) * HOUR}
        return Bar(**times, **{name: Decimal(text) for name, text in shape.items()})

    venue = exchange([bar(0), bar(1), bar(2), bar(3)])
    place(venue, Side.BUY, "4", "95")
    place(venue, Side.BUY, "4", "94")
    place(venue, Side.BUY, "3", "110", minute=121)  # takes 3 of the third bar's 5 before the second is met
    second = venue.advance(START + 2 * HOUR, START)
    third = venue.advance(START + 3 * HOUR, START)
    assert [one.quantity for one in second] == [4, 1]
    assert [one.quantity for one in third] == [2]
