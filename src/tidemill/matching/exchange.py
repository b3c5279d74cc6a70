"""The exchange: accounts, orders and trades against a tape of bars. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from tidemill.domain.market import Bar, Instrument, floor_to_step
from tidemill.domain.portfolio import ZERO, Balance
from tidemill.domain.trading import OrderState, OrderType, Side, TimeInForce
from tidemill.matching import pricing
from tidemill.matching.accounts import Accounts, fee_of, needed_lock
from tidemill.matching.values import FillRules, Refusal, SimOrder, SimTrade, Ticket
from tidemill.ports import BarTape


class Exchange:
    """Orders of any number of accounts; ids of orders and trades count up from 1.

    The same calls with the same times give the same answers, so a journal of calls is a backup.
    """

    def __init__(
        self, instruments: Mapping[str, Instrument], rules: FillRules, tape: BarTape, *, start: datetime
    ) -> None:
        self.instruments = dict(instruments)
        self.rules = rules
        self._tape = tape
        self._now = start
        self._accounts = Accounts()
        self._orders: dict[int, SimOrder] = {}
        self._by_account: dict[str, list[int]] = {}
        self._by_client_id: dict[tuple[str, str], int] = {}
        self._resting: dict[str, dict[int, None]] = {name: {} for name in instruments}
        self._trades: list[SimTrade] = []
        self._used: dict[str, tuple[datetime, Decimal]] = {}

    @property
    def now(self) -> datetime:
        """Market time of the last move."""
        return self._now

    @property
    def order_count(self) -> int:
        """Orders accepted so far, of all accounts."""
        return len(self._orders)

    @property
    def fees(self) -> Mapping[str, Decimal]:
        """Fees collected so far by asset."""
        return self._accounts.fees

    def open_account(self, account: str, balances: Mapping[str, Decimal]) -> None:
        """Open an account; DataError when it exists."""
        self._accounts.open(account, balances)
        self._by_account[account] = []

    def balances(self, account: str) -> dict[str, Balance]:
        """Balances that are not zero, by asset."""
        return self._accounts.balances(account)

    def check(self, account: str, ticket: Ticket, *, market: datetime) -> Refusal | None:
        """Judge an order as :meth:`place` would, and place nothing."""
        judged = self._judge(account, ticket, market)
        return judged if isinstance(judged, Refusal) else None

    def place(self, account: str, ticket: Ticket, *, market: datetime, wall: datetime) -> SimOrder | Refusal:
        """Accept and match an order at market time ``market``, or refuse it and change nothing."""
        judged = self._judge(account, ticket, market)
        if isinstance(judged, Refusal):
            return judged
        bar, price = judged
        order = SimOrder(
            order_id=len(self._orders) + 1,
            account=account,
            ticket=ticket,
            client_order_id=ticket.client_order_id,
            state=OrderState.OPEN,
            placed_market=market,
            placed_wall=wall,
            updated_wall=wall,
            after_bar=bar.open_time,
            triggered=ticket.order_type is not OrderType.STOP_LIMIT,
        )
        self._by_account[account].append(order.order_id)
        self._by_client_id[account, ticket.client_order_id] = order.order_id
        self._lock(order, +1)
        self._keep(order)
        return self._take(order, bar, price, market, wall)

    def cancel(
        self,
        account: str,
        instrument: str,
        *,
        order_id: int | None = None,
        client_order_id: str | None = None,
        new_client_order_id: str,
        wall: datetime,
    ) -> SimOrder | Refusal:
        """Cancel a resting order; its client order id becomes ``new_client_order_id``."""
        order = self.find_order(account, instrument, order_id=order_id, client_order_id=client_order_id)
        if order is None or order.order_id not in self._resting[instrument]:
            return pricing.UNKNOWN_ORDER
        self._by_client_id[account, new_client_order_id] = order.order_id
        if self._by_client_id.get((account, order.client_order_id)) == order.order_id:
            del self._by_client_id[account, order.client_order_id]
        renamed = replace(order, client_order_id=new_client_order_id)
        return self._finish(renamed, OrderState.CANCELLED, wall)

    def advance(self, market: datetime, wall: datetime) -> list[SimTrade]:
        """Move to ``market``; resting orders meet every bar closed since the last move, in time order."""
        done = len(self._trades)
        if market > self._now:
            bars = [
                (bar.close_time, name, bar)
                for name, resting in self._resting.items()
                if resting
                for bar in self._tape.bars_closed(name, self._now, market)
            ]
            for _, name, bar in sorted(bars, key=lambda one: one[:2]):
                self._meet(name, bar, wall)
            self._now = market
        return self._trades[done:]

    def find_order(
        self, account: str, instrument: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> SimOrder | None:
        """An order by id, else the latest that carries the client order id; None when there is none."""
        chosen = order_id if order_id is not None else self._by_client_id.get((account, client_order_id or ""))
        order = self._orders.get(chosen) if chosen is not None else None
        if order is None or order.account != account or order.ticket.instrument != instrument:
            return None
        return order

    def orders(self, account: str, instrument: str | None = None, *, open_only: bool = False) -> list[SimOrder]:
        """Orders by id, of one instrument or all."""
        if open_only:
            ids = sorted(one for resting in self._resting.values() for one in resting)
        else:
            ids = self._by_account[account]
        found = (self._orders[one] for one in ids)
        return [one for one in found if one.account == account and instrument in {None, one.ticket.instrument}]

    def trades(self, account: str, instrument: str | None = None, *, after_trade_id: int = 0) -> list[SimTrade]:
        """Trades by id, after ``after_trade_id``."""
        found = self._trades[after_trade_id:]
        return [one for one in found if one.account == account and instrument in {None, one.instrument}]

    def _judge(self, account: str, ticket: Ticket, market: datetime) -> Refusal | tuple[Bar, Decimal]:
        """The bar and price an order meets on arrival, or why it is refused."""
        instrument = self.instruments.get(ticket.instrument)
        if instrument is None:
            return pricing.INVALID_SYMBOL
        if self._tape.is_down(market):
            return pricing.SHUTTING_DOWN
        bar = self._tape.bar_at(ticket.instrument, market)
        if bar is None:
            return pricing.MARKET_CLOSED
        price = pricing.taking_price(bar, ticket.side, market, self.rules, instrument.price_step)
        return self._judge_terms(account, ticket, instrument, price) or (bar, price)

    def _judge_terms(self, account: str, ticket: Ticket, instrument: Instrument, price: Decimal) -> Refusal | None:
        if refusal := pricing.check_filters(ticket, instrument, price):
            return refusal
        open_id = self._by_client_id.get((account, ticket.client_order_id))
        if open_id is not None and open_id in self._resting[self._orders[open_id].ticket.instrument]:
            return pricing.DUPLICATE
        if ticket.order_type is OrderType.LIMIT_MAKER and pricing.is_marketable(ticket, price):
            return pricing.WOULD_MATCH
        asset, amount = needed_lock(ticket, instrument, ticket.quantity, ticket.limit_price or price, self.rules)
        return pricing.INSUFFICIENT if amount > self._accounts.free(account, asset) else None

    def _take(self, order: SimOrder, bar: Bar, price: Decimal, market: datetime, wall: datetime) -> SimOrder:
        """Match an order on arrival; what does not fill rests or expires."""
        ticket = order.ticket
        immediate = ticket.order_type is OrderType.MARKET or ticket.time_in_force is not TimeInForce.GTC
        if order.triggered and pricing.is_marketable(ticket, price):
            room = self._room(ticket.instrument, bar)
            if ticket.time_in_force is not TimeInForce.FOK or room >= order.rest:
                order = self._fill(order, bar, price, min(room, order.rest), market, wall, is_maker=False)
        if order.rest > 0 and immediate:
            return self._finish(order, OrderState.EXPIRED, wall)
        return order

    def _meet(self, name: str, bar: Bar, wall: datetime) -> None:
        """Let the resting orders of an instrument meet one closed bar, oldest first."""
        step = self.instruments[name].price_step
        for order_id in list(self._resting[name]):
            order = self._orders[order_id]
            if bar.open_time <= order.after_bar:
                continue
            if not order.triggered:
                if pricing.triggers(bar, order, step):
                    self._keep(replace(order, triggered=True, after_bar=bar.open_time))
                continue
            limit = order.ticket.limit_price or ZERO
            if pricing.trades_through(bar, order.ticket.side, limit, step):
                quantity = min(self._room(name, bar), order.rest)
                self._fill(order, bar, limit, quantity, bar.close_time, wall, is_maker=True)

    def _room(self, name: str, bar: Bar) -> Decimal:
        """What all our orders together may still take of a bar, in whole lots."""
        opened, used = self._used.get(name, (bar.open_time, ZERO))
        taken = used if opened == bar.open_time else ZERO
        return max(floor_to_step(bar.volume * self.rules.participation, self.instruments[name].lot_step) - taken, ZERO)

    def _fill(
        self,
        order: SimOrder,
        bar: Bar,
        price: Decimal,
        quantity: Decimal,
        market: datetime,
        wall: datetime,
        *,
        is_maker: bool,
    ) -> SimOrder:
        if quantity <= 0:
            return order
        ticket, instrument = order.ticket, self.instruments[order.ticket.instrument]
        rate = self.rules.fee_maker if is_maker else self.rules.fee_taker
        fee_asset, fee = fee_of(ticket.side, instrument, quantity, price, rate, self.rules)
        trade = SimTrade(
            trade_id=len(self._trades) + 1,
            order_id=order.order_id,
            account=order.account,
            client_order_id=order.client_order_id,
            instrument=ticket.instrument,
            side=ticket.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=is_maker,
            market_time=market,
            wall_time=wall,
        )
        self._trades.append(trade)
        opened, used = self._used.get(ticket.instrument, (bar.open_time, ZERO))
        self._used[ticket.instrument] = (bar.open_time, quantity + (used if opened == bar.open_time else ZERO))
        filled = order.filled + quantity
        self._lock(order, -1)
        order = replace(
            order,
            filled=filled,
            quote_filled=order.quote_filled + quantity * price,
            state=OrderState.FILLED if filled == ticket.quantity else OrderState.PARTLY_FILLED,
            updated_wall=wall,
            trades=(*order.trades, trade),
        )
        base, quote = (instrument.base, quantity), (instrument.quote, quantity * price)
        pay, get = (quote, base) if ticket.side is Side.BUY else (base, quote)
        self._accounts.exchange(order.account, pay=pay, get=get, fee=(fee_asset, fee))
        self._lock(order, +1)
        self._keep(order)
        return order

    def _lock(self, order: SimOrder, sign: int) -> None:
        """Lock (or free) what backs the rest of an order; a market order rests never and locks nothing."""
        ticket = order.ticket
        if ticket.limit_price is None or order.rest == 0:
            return
        instrument = self.instruments[ticket.instrument]
        asset, amount = needed_lock(ticket, instrument, order.rest, ticket.limit_price, self.rules)
        self._accounts.lock(order.account, asset, amount * sign)

    def _finish(self, order: SimOrder, state: OrderState, wall: datetime) -> SimOrder:
        self._lock(order, -1)
        done = replace(order, state=state, updated_wall=wall)
        self._keep(done)
        return done

    def _keep(self, order: SimOrder) -> None:
        self._orders[order.order_id] = order
        resting = self._resting[order.ticket.instrument]
        if order.state in {OrderState.OPEN, OrderState.PARTLY_FILLED}:
            resting[order.order_id] = None
        else:
            resting.pop(order.order_id, None)
