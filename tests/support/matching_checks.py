"""Scripts of calls on an exchange, and what must hold after each of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal

from tidemill.domain.market import Bar, Instrument, floor_to_step
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderState, OrderType, Side, TimeInForce
from tidemill.matching import Book, Exchange, FillRules, ListTape, Refusal, SimOrder, SimTrade

START, HOUR, HOURS = datetime(2021, 1, 1, tzinfo=UTC), timedelta(hours=1), 8
STEP, LOT = Decimal("0.01"), Decimal("0.001")
BTC = Instrument(venue="T", base="BTC", quote="USD", price_step=STEP, lot_step=LOT, min_notional=Decimal("0.05"))
ETH = replace(BTC, base="ETH")
NAMES, ACCOUNTS = (BTC.id, ETH.id), ("a", "b")
OPENING = {"USD": Decimal(600), "BTC": Decimal(3), "ETH": Decimal("0.7"), "BNB": Decimal("0.004")}
RULES = FillRules(
    slippage=Decimal("0.001"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.00071"),
    fee_taker=Decimal("0.00333"),
    fee_asset_prices={"USD": Decimal("271.3")},
)


@dataclass
class Run:
    """An exchange, what was done to it, and each new trade with what it met."""

    venue: Exchange
    bars: dict[str, list[Bar]]
    hour: int = 0
    books: dict[str, Book | None] = field(default_factory=lambda: dict.fromkeys(NAMES))
    feeds: int = 0
    on_bar: dict[tuple[str, datetime], Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    on_book: Counter = field(default_factory=Counter)
    reached: dict[int, datetime] = field(default_factory=dict)
    answers: list = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return START + self.hour * HOUR + timedelta(seconds=60)


def needed(order: SimOrder, rules: FillRules) -> Decimal:
    """What must be locked for an order, worked out anew."""
    if order.ticket.side is Side.SELL:
        return order.rest
    amount = order.rest * order.ticket.limit_price
    if rules.fee_asset != "quote":
        return amount
    return amount + (amount * max(rules.fee_maker, rules.fee_taker)).quantize(Decimal("1e-8"), rounding=ROUND_UP)


def check_money(run: Run) -> None:
    """Nothing appears or vanishes; nothing is below zero; locked is what the resting orders need."""
    venue = run.venue
    expected = {asset: amount * len(ACCOUNTS) for asset, amount in OPENING.items()}
    for account in ACCOUNTS:
        for one in venue.trades(account):
            sign, base = (1 if one.side is Side.BUY else -1), one.instrument[:3]
            expected[base] += sign * one.quantity
            expected["USD"] -= sign * one.quantity * one.price
    held = {account: venue.balances(account) for account in ACCOUNTS}
    for asset, amount in expected.items():
        total = sum((some[asset].total for some in held.values() if asset in some), ZERO)
        assert total + venue.fees.get(asset, ZERO) == amount, asset
    for account, some in held.items():
        backing = Counter()
        for order in venue.orders(account, open_only=True):
            backing["USD" if order.ticket.side is Side.BUY else order.ticket.instrument[:3]] += needed(
                order, venue.rules
            )
        for asset, balance in some.items():
            assert balance.free >= 0, asset
            assert balance.locked == backing[asset], asset


def check_orders(run: Run) -> None:
    """What an order may become."""
    for account in ACCOUNTS:
        for order in run.venue.orders(account):
            ticket = order.ticket
            assert order.filled == sum((one.quantity for one in order.trades), ZERO) <= ticket.quantity
            assert order.quote_filled == sum((one.quantity * one.price for one in order.trades), ZERO)
            assert (order.state is OrderState.FILLED) is (order.rest == 0)
            assert ticket.may_rest or order.state in {OrderState.FILLED, OrderState.EXPIRED}
            assert ticket.time_in_force is not TimeInForce.FOK or order.filled in {0, ticket.quantity}
            assert ticket.order_type is not OrderType.LIMIT_MAKER or all(one.is_maker for one in order.trades)


def check_trades(run: Run, trades: list[SimTrade], *, arriving: bool) -> None:
    """No fill beyond its limit, before its stop, or of more than is there."""
    for one in trades:
        ticket = run.venue.find_order(one.account, one.instrument, order_id=one.order_id).ticket
        buys = one.side is Side.BUY
        if ticket.limit_price is not None:
            assert one.price <= ticket.limit_price if buys else one.price >= ticket.limit_price
        assert ticket.stop_price is None or one.order_id in run.reached
        if ticket.quote_quantity is not None and run.books[one.instrument] is None:
            assert one.quantity * one.price <= ticket.quote_quantity
        book = run.books[one.instrument]
        if book is None:
            (met,) = [
                bar
                for bar in run.bars[one.instrument]
                if (
                    bar.open_time <= one.market_time < bar.close_time if arriving else bar.close_time == one.market_time
                )
            ]
            run.on_bar[one.instrument, met.open_time] += one.quantity
            assert run.reached.get(one.order_id, START - HOUR) < met.open_time
            most = floor_to_step(met.volume * run.venue.rules.participation, LOT)
            assert run.on_bar[one.instrument, met.open_time] <= most
        else:
            key = (run.feeds, one.instrument, buys)
            levels = book.asks if buys else book.bids
            run.on_book[key] += one.quantity
            there = [level for level in levels if level[0] == one.price]
            assert one.is_maker or one.quantity <= there[0][1]
            assert run.on_book[key] <= sum(quantity for _, quantity in levels)


def note_stops(run: Run, name: str, bars: list[Bar], book: Book | None) -> None:
    """Which stop orders a closed bar or a fed book has reached, worked out anew."""
    for account in ACCOUNTS:
        for order in run.venue.orders(account, name, open_only=True):
            stop, buys = order.ticket.stop_price, order.ticket.side is Side.BUY
            if stop is None:
                continue
            for bar in bars:
                if bar.open_time > order.after_bar and (bar.high > stop if buys else bar.low < stop):
                    run.reached.setdefault(order.order_id, bar.open_time)
            best = (book.asks if buys else book.bids)[:1] if book else ()
            if best and (best[0][0] >= stop if buys else best[0][0] <= stop):
                run.reached.setdefault(order.order_id, run.now)


def step(run: Run, number: int, call: tuple) -> None:
    """Do one call of a script and check what it did."""
    venue, kind = run.venue, call[0]
    before = {account: venue.balances(account) for account in ACCOUNTS}
    if kind == "advance" and run.hour < HOURS - 1:
        run.hour += 1
        closed = [bar for name in NAMES for bar in run.bars[name] if bar.close_time == START + run.hour * HOUR]
        for name in NAMES:
            if run.books[name] is None:
                note_stops(run, name, [bar for bar in run.bars[name] if bar in closed], None)
        trades = venue.advance(START + run.hour * HOUR, run.now)
        check_trades(run, trades, arriving=False)
        run.answers.append(trades)
    elif kind == "feed":
        _, name, bids, asks = call
        run.books[name], run.feeds = Book.of(bids, asks), run.feeds + 1
        note_stops(run, name, [], run.books[name])
        trades = venue.feed_book(name, bids, asks, market=run.now, wall=run.now)
        check_trades(run, trades, arriving=False)
        run.answers.append(trades)
    elif kind == "drop":
        venue.drop_book(call[1], market=run.now)
        run.books[call[1]] = None
    elif kind == "cancel":
        _, account, order_id = call
        order = next((one for one in venue.orders(account) if one.order_id == order_id), None)
        name = order.ticket.instrument if order else BTC.id
        run.answers.append(
            venue.cancel(account, name, order_id=order_id, new_client_order_id=f"x{number}", wall=run.now)
        )
    elif kind == "place":
        _, account, ticket = call
        done = venue.place(account, replace(ticket, client_order_id=f"c{number}"), market=run.now, wall=run.now)
        run.answers.append(done)
        if isinstance(done, Refusal):
            assert before == {one: venue.balances(one) for one in ACCOUNTS}
        else:
            check_trades(run, list(done.trades), arriving=True)
    check_money(run)
    check_orders(run)


def play(bars: dict[str, list[Bar]], script: list, fee_asset: str, made: type[Exchange] = Exchange) -> Run:
    venue = made({BTC.id: BTC, ETH.id: ETH}, replace(RULES, fee_asset=fee_asset), ListTape(bars), start=START)
    for account in ACCOUNTS:
        venue.open_account(account, OPENING)
    run = Run(venue=venue, bars=bars)
    for number, call in enumerate(script):
        step(run, number, call)
    return run


def bar(hour: int, first: str, high: str, low: str, volume: str = "10") -> Bar:
    shape = {"open": first, "high": high, "low": low, "close": first, "volume": volume}
    times = {"open_time": START + hour * HOUR, "close_time": START + (hour + 1) * HOUR}
    return Bar(**times, **{name: Decimal(text) for name, text in shape.items()})
