"""Orders in memory: their states, what was sent when, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from tidemill.domain.errors import TradingError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import (
    LIVE,
    Decision,
    Fill,
    LedgerOrder,
    OrderIntent,
    OrderState,
    Side,
    VenueOrder,
    check_move,
)
from tidemill.memory._accounts import MemoryAccounts
from tidemill.ports.ledger_rules import REDUCED, OrderEvent, check_unexpired, is_new, may_begin

CLOCK_SLACK = timedelta(days=1)


class MemoryOrders(MemoryAccounts):
    """The orders' part of the ledger, with the decisions that they are sorted by and the fills that wait for them."""

    def __init__(self) -> None:
        super().__init__()
        self._decisions: dict[str, Decision] = {}
        self._orders: dict[str, LedgerOrder] = {}
        self._active: dict[str, None] = {}
        self._by_decision: dict[str, list[str]] = {}
        self._sends: list[tuple[datetime, str]] = []
        self._orphans: dict[str, list[int]] = {}
        self._by_client_id: dict[tuple[str, str], str] = {}
        self._by_venue_id: dict[tuple[str, str, str], str] = {}
        self._events: dict[str, list[OrderEvent]] = {}
        self._fills: dict[str, list[tuple[Fill, str | None]]] = {}

    def load_orders(
        self,
        *,
        account: str | None = None,
        decision_id: str | None = None,
        intent_id: str | None = None,
        states: Sequence[OrderState] | None = None,
        sent_since: datetime | None = None,
    ) -> Sequence[LedgerOrder]:
        """Orders that match all filters, found by the narrowest index that a filter names."""
        with self._lock:
            if intent_id is not None:
                names = [intent_id] if intent_id in self._orders else []
            elif decision_id is not None:
                names = self._by_decision.get(decision_id, [])
            elif states is not None and LIVE.issuperset(states):
                names = list(self._active)
            elif sent_since is not None:
                names = self._sent_since(sent_since)
            else:
                names = list(self._orders)
            orders = [self._orders[name] for name in names]
        matching = [
            order
            for order in orders
            if (account is None or order.intent.account == account)
            and (decision_id is None or order.intent.decision_id == decision_id)
            and (states is None or order.state in states)
            and (sent_since is None or (order.sent_at is not None and order.sent_at >= sent_since))
        ]
        return sorted(matching, key=self._order_key)

    def _sent_since(self, moment: datetime) -> list[str]:
        """Orders sent at ``moment`` or later, newest first; a clock that was set back is allowed a day."""
        names = []
        for sent_at, name in reversed(self._sends):
            if sent_at < moment - CLOCK_SLACK:
                break
            names.append(name)
        return list(dict.fromkeys(names))

    def load_order_events(self, intent_id: str) -> Sequence[OrderEvent]:
        """The append-only story of one order."""
        return tuple(self._events.get(intent_id, ()))

    def begin_submit(
        self, intent_id: str, *, epoch: int, window_ms: int, stamp: Stamp, absent: LedgerOrder | None = None
    ) -> LedgerOrder | None:
        """Check lease, stops and expiry, and move the order to SUBMITTING, under the one lock."""
        with self._lock:
            if (order := self._orders.get(intent_id)) is None:
                raise TradingError(f"the ledger has no intent {intent_id}")
            if not may_begin(order, absent):
                return None
            self._check_epoch(order.intent.account, epoch, stamp.wall)
            self._check_running(order.intent.account, order.intent.instrument)
            check_unexpired(order.intent, stamp.market)
            self._orders[intent_id] = replace(order, sent_at=stamp.wall, window_ms=window_ms)
            self._sends.append((stamp.wall, intent_id))
            return self._move(self._orders[intent_id], OrderState.SUBMITTING, stamp, "")

    def record_state(
        self,
        intent_id: str,
        state: OrderState,
        *,
        stamp: Stamp,
        reason: str = "",
        order: VenueOrder | None = None,
        expected: LedgerOrder | None = None,
    ) -> LedgerOrder:
        """Append a move unless it is no news, or the order was sent again since ``expected`` was read."""
        with self._lock:
            recorded = self._orders[intent_id]
            venue_id = order.venue_order_id if order else None
            changes = is_new(recorded, state, venue_id, order.filled if order else None)
            if not changes or (expected is not None and expected.sent_at != recorded.sent_at):
                return recorded
            return self._move(recorded, state, stamp, reason, venue_id)

    def reduce_buys(
        self, decision_id: str, allowed: Mapping[str, Decimal], *, epoch: int, stamp: Stamp
    ) -> Sequence[LedgerOrder]:
        """Cut planned buys, once a decision, under the one lock."""
        with self._lock:
            buys = [order for order in self.load_orders(decision_id=decision_id) if order.intent.side is Side.BUY]
            if buys and not any(order.reduced for order in buys):
                self._check_epoch(buys[0].intent.account, epoch, stamp.wall)
                for order in buys:
                    if order.state is OrderState.PLANNED:
                        self._reduce(order, allowed.get(order.intent.intent_id, order.quantity), stamp)
            return [self._orders[order.intent.intent_id] for order in buys]

    # -- within

    def _select(self, account: str, states: set[OrderState] | frozenset[OrderState]) -> list[LedgerOrder]:
        orders = (self._orders[name] for name in self._active)
        return [order for order in orders if order.intent.account == account and order.state in states]

    def _order_key(self, order: LedgerOrder) -> tuple[datetime, int, int]:
        decision = self._decisions[order.intent.decision_id]
        return decision.as_of, decision.attempt, order.intent.leg

    def _plan(self, intent: OrderIntent, stamp: Stamp) -> None:
        self._orders[intent.intent_id] = LedgerOrder(intent=intent, state=OrderState.PLANNED, quantity=intent.quantity)
        self._active[intent.intent_id] = None
        self._by_client_id[intent.account, intent.client_order_id] = intent.intent_id
        self._write(intent, OrderState.PLANNED, stamp, "", None, intent.quantity)

    def _move(
        self, order: LedgerOrder, state: OrderState, stamp: Stamp, reason: str, venue_order_id: str | None = None
    ) -> LedgerOrder:
        if state is not order.state:
            check_move(order.state, state)
        intent = order.intent
        moved = replace(order, state=state, reason=reason or order.reason)
        if venue_order_id is not None:
            moved = replace(moved, venue_order_id=venue_order_id)
            self._by_venue_id[intent.account, intent.instrument, venue_order_id] = intent.intent_id
            moved = replace(moved, filled=moved.filled + self._link_fills(intent, venue_order_id))
        self._orders[intent.intent_id] = moved
        if state in LIVE:
            self._active[intent.intent_id] = None
        else:
            self._active.pop(intent.intent_id, None)
        self._write(intent, state, stamp, reason, venue_order_id, None)
        return moved

    def _link_fills(self, intent: OrderIntent, venue_order_id: str) -> Decimal:
        """Give an order the fills that came before it was known; the quantity that they add."""
        quantity = ZERO
        fills, waiting = self._fills.get(intent.account, []), self._orphans.get(intent.account, [])
        for index in list(waiting):
            fill, _ = fills[index]
            if (fill.venue_order_id, fill.instrument) == (venue_order_id, intent.instrument):
                fills[index] = (fill, intent.intent_id)
                waiting.remove(index)
                quantity += fill.quantity
        return quantity

    def _reduce(self, order: LedgerOrder, quantity: Decimal, stamp: Stamp) -> None:
        least = min(quantity, order.quantity)
        reduced = replace(order, quantity=least, reduced=True)
        self._orders[order.intent.intent_id] = reduced
        self._write(order.intent, REDUCED, stamp, "cut to the cash that is free", None, least)
        if least <= 0:
            self._move(reduced, OrderState.NOT_PLACED, stamp, "reduced to nothing: no cash is free")

    def _write(
        self,
        intent: OrderIntent,
        state: str,
        stamp: Stamp,
        reason: str,
        venue_order_id: str | None,
        quantity: Decimal | None,
    ) -> None:
        event = OrderEvent(
            sequence=self._next(intent.account),
            intent_id=intent.intent_id,
            state=str(state),
            reason=reason,
            venue_order_id=venue_order_id,
            quantity=quantity,
            stamp=stamp,
        )
        self._events.setdefault(intent.intent_id, []).append(event)
