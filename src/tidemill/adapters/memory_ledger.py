"""The ledger in memory: the same rules as the SQL one, for the backtest and for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from tidemill.adapters._ledger_values import (
    REDUCED,
    OrderEvent,
    check_unexpired,
    is_new,
    may_begin,
    movements,
    peak_equity,
    reserved_amounts,
)
from tidemill.adapters._memory_accounts import MemoryAccounts
from tidemill.domain.errors import TradingError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.domain.trading import (
    RESTING,
    UNRESOLVED,
    Decision,
    Fill,
    LedgerOrder,
    OrderIntent,
    OrderState,
    Side,
    VenueOrder,
    check_move,
)

CLOCK_SLACK = timedelta(days=1)


class MemoryLedger(MemoryAccounts):
    """Every port of the ledger on dictionaries, behind one lock."""

    def __init__(self) -> None:
        super().__init__()
        self._decisions: dict[str, Decision] = {}
        self._peaks: dict[str, Decimal] = {}
        self._orders: dict[str, LedgerOrder] = {}
        self._active: dict[str, None] = {}
        self._by_decision: dict[str, list[str]] = {}
        self._sends: list[tuple[datetime, str]] = []
        self._orphans: dict[str, list[int]] = {}
        self._by_client_id: dict[tuple[str, str], str] = {}
        self._by_venue_id: dict[tuple[str, str], str] = {}
        self._events: dict[str, list[OrderEvent]] = {}
        self._fills: dict[str, list[tuple[Fill, str | None]]] = {}
        self._known_fills: set[tuple[str, str, str]] = set()
        self._last_trade: dict[tuple[str, str], str] = {}

    # -- decisions

    def record_decision(self, decision: Decision, intents: Sequence[OrderIntent], *, epoch: int) -> bool:
        """See the port."""
        with self._lock:
            if decision.decision_id in self._decisions:
                return False
            self._check_epoch(decision.account, epoch, decision.wall_time)
            stamp = Stamp(market=decision.market_time, wall=decision.wall_time)
            if intents and (doubtful := self._select(decision.account, UNRESOLVED)):
                raise TradingError(f"order {doubtful[0].intent.intent_id} is not resolved; decide after it is")
            for order in self._select(decision.account, {OrderState.PLANNED}):
                self._move(order, OrderState.NOT_PLACED, stamp, "a later decision was recorded")
            self._decisions[decision.decision_id] = decision
            self._next(decision.account)
            peak = peak_equity([decision.record])
            self._peaks[decision.account] = max(self._peaks.get(decision.account, ZERO), peak)
            self._by_decision[decision.decision_id] = [intent.intent_id for intent in intents]
            for intent in intents:
                self._plan(intent, stamp)
            return True

    def add_intent(self, intent: OrderIntent, *, epoch: int, stamp: Stamp) -> bool:
        """See the port."""
        with self._lock:
            if intent.intent_id in self._orders:
                return False
            self._check_epoch(intent.account, epoch, stamp.wall)
            decision = self._decisions.get(intent.decision_id)
            if decision is None or decision.account != intent.account:
                raise TradingError(f"account {intent.account} has no decision {intent.decision_id}")
            self._by_decision[intent.decision_id].append(intent.intent_id)
            self._plan(intent, stamp)
            return True

    def raise_peak(self, account: str, equity: Decimal) -> None:
        """Equity marked where no decision was recorded counts for the drawdown as well."""
        with self._lock:
            self._peaks[account] = max(self._peaks.get(account, ZERO), equity)

    def load_decision(self, decision_id: str) -> Decision | None:
        """See the port."""
        return self._decisions.get(decision_id)

    def load_watermarks(self) -> Sequence[int]:
        """See the port."""
        return sorted({one.store_watermark for one in self._decisions.values()})

    def load_decisions(self, account: str, *, since: datetime | None = None) -> Sequence[Decision]:
        """See the port."""
        found = [
            one for one in self._decisions.values() if one.account == account and (since is None or one.as_of >= since)
        ]
        return sorted(found, key=lambda one: (one.as_of, one.attempt))

    # -- orders

    def load_orders(
        self,
        *,
        account: str | None = None,
        decision_id: str | None = None,
        intent_id: str | None = None,
        states: Sequence[OrderState] | None = None,
        sent_since: datetime | None = None,
    ) -> Sequence[LedgerOrder]:
        """See the port."""
        with self._lock:
            if intent_id is not None:
                chosen = [intent_id] if intent_id in self._orders else []
            elif decision_id is not None:
                chosen = self._by_decision.get(decision_id, [])
            elif states is not None and set(states) <= RESTING | UNRESOLVED | {OrderState.PLANNED}:
                chosen = list(self._active)
            elif sent_since is not None:
                chosen = self._sent_since(sent_since)
            else:
                chosen = list(self._orders)
            found = [self._orders[one] for one in chosen]
        found = [
            one
            for one in found
            if (account is None or one.intent.account == account)
            and (decision_id is None or one.intent.decision_id == decision_id)
            and (states is None or one.state in states)
            and (sent_since is None or (one.sent_at is not None and one.sent_at >= sent_since))
        ]
        return sorted(found, key=self._order_key)

    def _sent_since(self, moment: datetime) -> list[str]:
        """Orders sent at ``moment`` or later, newest first; a clock that was set back is allowed a day."""
        found = []
        for sent_at, name in reversed(self._sends):
            if sent_at < moment - CLOCK_SLACK:
                break
            found.append(name)
        return list(dict.fromkeys(found))

    def load_order_events(self, intent_id: str) -> Sequence[OrderEvent]:
        """The append-only story of one order."""
        return tuple(self._events.get(intent_id, ()))

    def begin_submit(
        self, intent_id: str, *, epoch: int, window_ms: int, stamp: Stamp, absent: LedgerOrder | None = None
    ) -> LedgerOrder | None:
        """See the port."""
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
        seen: LedgerOrder | None = None,
    ) -> LedgerOrder:
        """See the port."""
        with self._lock:
            known = self._orders[intent_id]
            venue_id = order.venue_order_id if order else None
            told = is_new(known, state, venue_id, order.filled if order else None)
            if not told or (seen is not None and seen.sent_at != known.sent_at):
                return known
            return self._move(known, state, stamp, reason, venue_id)

    def reduce_buys(
        self, decision_id: str, allowed: Mapping[str, Decimal], *, epoch: int, stamp: Stamp
    ) -> Sequence[LedgerOrder]:
        """See the port."""
        with self._lock:
            buys = [one for one in self.load_orders(decision_id=decision_id) if one.intent.side is Side.BUY]
            if buys and not any(one.reduced for one in buys):
                self._check_epoch(buys[0].intent.account, epoch, stamp.wall)
                for order in buys:
                    if order.state is OrderState.PLANNED:
                        self._reduce(order, allowed.get(order.intent.intent_id, order.quantity), stamp)
            return [self._orders[one.intent.intent_id] for one in buys]

    # -- fills and cash

    def record_fills(self, account: str, fills: Sequence[Fill], *, stamp: Stamp) -> int:
        """See the port."""
        del stamp
        with self._lock:
            told = {(account, one.instrument, one.trade_id): one for one in reversed(fills)}
            new = [one for key, one in reversed(told.items()) if key not in self._known_fills]
            for fill in new:
                self._known_fills.add((account, fill.instrument, fill.trade_id))
                intent_id = self._by_venue_id.get((account, fill.venue_order_id))
                taken = self._fills.setdefault(account, [])
                if intent_id is None:
                    self._orphans.setdefault(account, []).append(len(taken))
                taken.append((fill, intent_id))
                self._last_trade[account, fill.instrument] = fill.trade_id
                self._next(account)
                for asset, amount in movements(fill):
                    self._book(account, asset, amount)
                if intent_id:
                    order = self._orders[intent_id]
                    self._orders[intent_id] = replace(order, filled=order.filled + fill.quantity)
            return len(new)

    def load_fills(self, account: str, *, intent_id: str | None = None) -> Sequence[Fill]:
        """See the port."""
        return [fill for fill, tied in self._fills.get(account, ()) if intent_id is None or tied == intent_id]

    def last_trade_id(self, account: str, instrument: str) -> str | None:
        """See the port."""
        return self._last_trade.get((account, instrument))

    def load_portfolio(self, account: str) -> Portfolio:
        """See the port."""
        with self._lock:
            opened = self._accounts.get(account)
            return Portfolio(
                account=account,
                currency=opened.currency if opened else "",
                assets={asset: amount for asset, amount in self._assets.get(account, {}).items() if amount},
                reserved=reserved_amounts(self._select(account, RESTING | UNRESOLVED)),
                ledger_sequence=self._last.get(account, 0),
                peak_equity=self._peaks.get(account, ZERO),
            )

    def close(self) -> None:
        """Nothing is open."""

    # -- within

    def _select(self, account: str, states: set[OrderState] | frozenset[OrderState]) -> list[LedgerOrder]:
        orders = (self._orders[one] for one in self._active)
        return [one for one in orders if one.intent.account == account and one.state in states]

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
            self._by_venue_id[intent.account, venue_order_id] = intent.intent_id
            moved = replace(moved, filled=moved.filled + self._tie_orphans(intent, venue_order_id))
        self._orders[intent.intent_id] = moved
        if state in RESTING | UNRESOLVED | {OrderState.PLANNED}:
            self._active[intent.intent_id] = None
        else:
            self._active.pop(intent.intent_id, None)
        self._write(intent, state, stamp, reason, venue_order_id, None)
        return moved

    def _tie_orphans(self, intent: OrderIntent, venue_order_id: str) -> Decimal:
        """Tie fills that came before their order was known; the quantity that they add."""
        tied = ZERO
        fills, waiting = self._fills.get(intent.account, []), self._orphans.get(intent.account, [])
        for index in list(waiting):
            fill, _ = fills[index]
            if (fill.venue_order_id, fill.instrument) == (venue_order_id, intent.instrument):
                fills[index] = (fill, intent.intent_id)
                waiting.remove(index)
                tied += fill.quantity
        return tied

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
