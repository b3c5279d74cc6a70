"""Orders while the exchange works on them, and where to find them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderState
from tidemill.matching.drafts import draft_of, seal
from tidemill.matching.values import BUY, FILLED, OPEN, PARTLY_FILLED, STOP_LIMIT, SimOrder, SimTrade, Ticket

OrderDraft = draft_of(SimOrder)


class WorkingOrder:
    """The one mutable record of an order; :meth:`view` is what the exchange shows of it.

    A fill changes five fields of fifteen: copying a frozen value for each was most of its cost.
    """

    __slots__ = (
        "_view",
        "account",
        "after_bar",
        "client_order_id",
        "filled",
        "got_asset",
        "instrument",
        "is_buy",
        "limit",
        "locked",
        "order_id",
        "paid_asset",
        "placed_market",
        "placed_wall",
        "quote_filled",
        "rest",
        "state",
        "stop",
        "ticket",
        "trades",
        "triggered",
        "updated_wall",
    )

    def __init__(
        self,
        order_id: int,
        account: str,
        ticket: Ticket,
        instrument: Instrument,
        *,
        market: datetime,
        wall: datetime,
        after_bar: datetime,
    ) -> None:
        self.order_id, self.account, self.ticket, self.instrument = order_id, account, ticket, instrument
        self.client_order_id = ticket.client_order_id
        self.is_buy = ticket.side is BUY
        base, quote = instrument.base, instrument.quote
        self.paid_asset, self.got_asset = (quote, base) if self.is_buy else (base, quote)
        self.limit = ticket.limit_price
        self.stop = ticket.stop_price or ZERO
        self.state = OPEN
        self.rest, self.filled, self.quote_filled, self.locked = ticket.quantity, ZERO, ZERO, ZERO
        self.placed_market, self.placed_wall, self.updated_wall = market, wall, wall
        self.after_bar = after_bar
        self.triggered = ticket.order_type is not STOP_LIMIT
        self.trades: list[SimTrade] = []
        self._view: SimOrder | None = None

    def view(self) -> SimOrder:
        """The order as it stands; the same object until something changes."""
        if self._view is None:
            draft = OrderDraft()
            draft.order_id, draft.account, draft.ticket = self.order_id, self.account, self.ticket
            draft.client_order_id, draft.state = self.client_order_id, self.state
            draft.filled, draft.quote_filled, draft.trades = self.filled, self.quote_filled, tuple(self.trades)
            draft.placed_market, draft.placed_wall = self.placed_market, self.placed_wall
            draft.updated_wall, draft.after_bar, draft.triggered = self.updated_wall, self.after_bar, self.triggered
            self._view = seal(draft, SimOrder)
        return self._view

    def add(self, trade: SimTrade, traded: Decimal, locked: Decimal) -> None:
        """Take an execution in; ``traded`` is its quote, ``locked`` what still backs the rest.

        The trade must be of this order and no larger than its rest. It is FILLED as soon as nothing is left.
        """
        self.filled += trade.quantity
        self.quote_filled += traded
        self.rest -= trade.quantity
        self.locked = locked
        self.state = PARTLY_FILLED if self.rest else FILLED
        self.updated_wall = trade.wall_time
        self.trades.append(trade)
        self._view = None

    def trigger(self, after_bar: datetime) -> None:
        """From the next bar on (or at once, on a book) a stop order is a limit order.

        Cannot be undone: a stop order that was reached once stays a limit order.
        """
        self.triggered, self.after_bar, self._view = True, after_bar, None

    def wait_until(self, moment: datetime) -> None:
        """Let no bar that opens at ``moment`` or earlier fill it.

        Only ever later: an earlier moment than the one in force changes nothing.
        """
        self.after_bar, self._view = max(self.after_bar, moment), None

    def rename(self, client_order_id: str) -> None:
        """Carry another client order id."""
        self.client_order_id, self._view = client_order_id, None

    def end(self, state: OrderState, wall: datetime) -> None:
        """Nothing more will fill, and nothing is locked.

        ``state`` is EXPIRED or CANCELLED; an order that fills ends in :meth:`add`.
        """
        self.state, self.locked, self.updated_wall, self._view = state, ZERO, wall, None


class Orders:
    """All orders by id, by account, by client order id, and the resting ones by instrument in order of arrival."""

    def __init__(self, instruments: Iterable[str]) -> None:
        self._all: list[WorkingOrder] = []
        self._by_account: dict[str, list[WorkingOrder]] = {}
        self._by_client_id: dict[tuple[str, str], WorkingOrder] = {}
        self._resting: dict[str, dict[int, WorkingOrder]] = {name: {} for name in instruments}
        self._resting_of: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._all)

    def open_account(self, account: str) -> None:
        """Make room for an account's orders."""
        self._by_account[account] = []

    def add(self, order: WorkingOrder) -> None:
        """Keep a new order.

        Ids are positions, counted from 1 without gaps. The latest order of a client order id is the one it finds.
        """
        self._all.append(order)
        self._by_account[order.account].append(order)
        self._by_client_id[order.account, order.client_order_id] = order

    def keep_resting(self, order: WorkingOrder) -> None:
        """An order rests until :meth:`retire`."""
        resting = self._resting[order.ticket.instrument]
        if order.order_id not in resting:
            resting[order.order_id] = order
            key = (order.account, order.ticket.instrument)
            self._resting_of[key] = self._resting_of.get(key, 0) + 1

    def retire(self, order: WorkingOrder) -> None:
        """An order that has come to its end rests no longer, if it did."""
        if self._resting[order.ticket.instrument].pop(order.order_id, None) is not None:
            self._resting_of[order.account, order.ticket.instrument] -= 1

    def any_on(self, instrument: str) -> bool:
        """Whether an order rests on the instrument."""
        return bool(self._resting[instrument])

    def resting_on(self, instrument: str) -> list[WorkingOrder]:
        """Resting orders on one instrument, oldest first."""
        return list(self._resting[instrument].values())

    def rests(self, order: WorkingOrder) -> bool:
        """Whether the order may still fill."""
        return order.order_id in self._resting[order.ticket.instrument]

    def count_resting(self, account: str, instrument: str) -> int:
        """Resting orders of one account on one instrument."""
        return self._resting_of.get((account, instrument), 0)

    def find(self, account: str, order_id: int | None, client_order_id: str | None) -> WorkingOrder | None:
        """An account's order by id, else the latest that carries the client order id.

        Those that have ended are found too. An id of another account's order gives None, as if there were none.
        """
        if order_id is None:
            return self._by_client_id.get((account, client_order_id or ""))
        # Ids are positions: no table of ids is needed.
        order = self._all[order_id - 1] if 0 < order_id <= len(self._all) else None
        return order if order is not None and order.account == account else None

    def rename(self, order: WorkingOrder, client_order_id: str) -> None:
        """Give an order another client order id; the one it had finds it no longer."""
        # The former name may already belong to a later order, which must stay findable by it.
        former = (order.account, order.client_order_id)
        self._by_client_id[order.account, client_order_id] = order
        if former[1] != client_order_id and self._by_client_id.get(former) is order:
            del self._by_client_id[former]
        order.rename(client_order_id)

    def of(self, account: str, instrument: str | None, *, open_only: bool) -> list[WorkingOrder]:
        """An account's orders by id, of one instrument or all."""
        if not open_only:
            orders = self._by_account[account]
        elif instrument is None:
            orders = sorted((order for resting in self._resting.values() for order in resting.values()), key=_by_id)
        else:
            orders = self.resting_on(instrument) if instrument in self._resting else []
        return [order for order in orders if order.account == account and instrument in {None, order.ticket.instrument}]


class Trades:
    """All trades by id, and each account's own."""

    def __init__(self) -> None:
        self.all: list[SimTrade] = []
        self._by_account: dict[str, list[SimTrade]] = {}

    def add(self, trade: SimTrade) -> None:
        """Keep a trade."""
        self.all.append(trade)
        self._by_account.setdefault(trade.account, []).append(trade)

    def of(self, account: str, instrument: str | None, after_trade_id: int) -> list[SimTrade]:
        """An account's trades by id, of one instrument or all, after an id."""
        own = self._by_account.get(account, [])
        first = bisect_right(own, after_trade_id, key=_trade_id)
        return [order for order in own[first:] if instrument in {None, order.instrument}]


def _by_id(order: WorkingOrder) -> int:
    return order.order_id


def _trade_id(trade: SimTrade) -> int:
    return trade.trade_id
