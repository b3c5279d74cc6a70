"""Matching alone: what an order costs on arrival, and what a resting one costs for each bar or book it meets.

`python -m benchmarks.matching` prints JSON, in microseconds: medians of several runs. Each order comes in a bar of its
own, the dearest case.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from benchmarks.timing import Options, Row
from tidemill.domain.market import Bar, Instrument
from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import Exchange, FillRules, ListTape, SimOrder, Ticket

START = datetime(2021, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BTC = Instrument(
    venue="T",
    base="BTC",
    quote="USDT",
    price_step=Decimal("0.01"),
    lot_step=Decimal("0.00001"),
    min_notional=Decimal(5),
)
RULES = FillRules(
    slippage=Decimal("0.0005"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=30),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)
ORDERS, RESTING, RUNS = 1000, 150, 25
ONE = Decimal("0.01")


def bars(count: int) -> list[Bar]:
    """Minutes around 40,000 that never reach 30,000."""
    made = []
    for number in range(count):
        first = Decimal(40_000) + Decimal(number % 500) / 4
        made.append(
            Bar(
                open_time=START + number * MINUTE,
                close_time=START + (number + 1) * MINUTE,
                open=first,
                high=first + 25,
                low=first - 25,
                close=first + 1,
                volume=Decimal("1234.56789"),
            )
        )
    return made


def exchange(count: int) -> Exchange:
    made = Exchange({BTC.id: BTC}, RULES, ListTape({BTC.id: bars(count)}), start=START)
    made.open_account("a", {"USDT": Decimal(10**9), "BTC": Decimal(10**4)})
    return made


def ticket(number: int, limit: str, tif: TimeInForce, kind: OrderType = OrderType.LIMIT) -> Ticket:
    return Ticket(
        client_order_id=f"c{number}",
        instrument=BTC.id,
        side=Side.BUY,
        order_type=kind,
        time_in_force=tif,
        quantity=ONE,
        limit_price=None if kind is OrderType.MARKET else Decimal(limit),
    )


def per_call(calls: int, work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / calls * 1e6


def arriving(limit: str, kind: OrderType = OrderType.LIMIT, *, on_book: bool = False) -> float:
    """An order placed and matched on arrival, each in a bar of its own (or all against a deep book)."""
    venue = exchange(ORDERS)
    if on_book:
        deep = [(Decimal(40_000 + level), Decimal(1000)) for level in range(20)]
        venue.feed_book(BTC.id, [(Decimal(39_999), Decimal(5))], deep, market=START, wall=START)
    sent = [(ticket(number, limit, TimeInForce.IOC, kind), START + number * MINUTE) for number in range(ORDERS)]

    def work() -> None:
        for order, moment in sent:
            venue.place("a", order, market=moment, wall=moment)

    taken = per_call(ORDERS, work)
    last = venue.find_order("a", BTC.id, order_id=ORDERS)
    assert isinstance(last, SimOrder)
    assert bool(last.filled) is (kind is OrderType.MARKET or Decimal(limit) > 40_000)
    return taken


def waiting(resting: int) -> float:
    """A resting order meeting one bar that does not reach it, by orders and bars; the move of the clock included."""
    count = max(ORDERS // 2 // resting, 20)
    venue = exchange(count)
    for number in range(resting):
        venue.place("a", ticket(number, "30000", TimeInForce.GTC), market=START, wall=START)
    moves = [START + number * MINUTE for number in range(1, count)]

    def work() -> None:
        for moment in moves:
            venue.advance(moment, moment)

    taken = per_call(len(moves) * resting, work)
    assert len(venue.orders("a", open_only=True)) == resting
    return taken


def filling() -> float:
    """A resting order filled by the bar it meets: one of 150 in each bar, the move of the clock included."""
    taken = []
    for _ in range(10):
        venue = exchange(3)
        for number in range(RESTING):
            venue.place("a", ticket(number, "39990", TimeInForce.GTC), market=START, wall=START)
        moment = START + 2 * MINUTE
        taken.append(per_call(RESTING, lambda venue=venue, moment=moment: venue.advance(moment, moment)))
        assert len(venue.trades("a")) == RESTING
    return statistics.median(taken)


def feeding(resting: int) -> float:
    """A book of 20 levels a side fed while orders rest that it does not reach, by book."""
    venue = exchange(2)
    asks = [(Decimal(40_000 + level), Decimal(2)) for level in range(20)]
    bids = [(Decimal(39_999 - level), Decimal(2)) for level in range(20)]
    venue.feed_book(BTC.id, bids, asks, market=START, wall=START)
    for number in range(resting):
        venue.place("a", ticket(number, "30000", TimeInForce.GTC), market=START, wall=START)

    def work() -> None:
        for _ in range(500):
            venue.feed_book(BTC.id, bids, asks, market=START, wall=START)

    return per_call(500, work)


MEASURED: dict[str, Callable[[], float]] = {
    "arrives_and_fills_on_a_bar": lambda: arriving("50000"),
    "arrives_and_expires_on_a_bar": lambda: arriving("30000"),
    "market_order_on_a_bar": lambda: arriving("0", OrderType.MARKET),
    "arrives_and_fills_on_a_book": lambda: arriving("50000", on_book=True),
    "one_resting_order_meets_a_bar": lambda: waiting(1),
    "each_of_150_resting_orders_meets_a_bar": lambda: waiting(RESTING),
    "a_resting_order_is_filled_by_a_bar": filling,
    "a_book_of_20_levels_is_fed": lambda: feeding(0),
    "a_book_of_20_levels_meets_150_orders": lambda: feeding(RESTING),
}


def measure() -> dict[str, float]:
    """Microseconds by name: medians of several runs after a warm-up."""
    found = {}
    for name, work in MEASURED.items():
        work()
        found[name] = round(statistics.median(work() for _ in range(RUNS)), 2)
    return found


TITLE = "Matching alone"
BOUNDED = ("arrives", "market_order", "one_resting", "each_of_150", "a_resting")


def rows(_options: Options) -> list[Row]:
    """What matching alone costs for each order."""
    return [
        Row(name.replace("_", " "), f"{micros:.1f} µs", "20 µs" if name.startswith(BOUNDED) else "")
        for name, micros in measure().items()
    ]


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
