"""The ledger in memory: the same rules as the SQL one, for the backtest and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from tidemill.domain.errors import TradingError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.domain.trading import (
    RESTING,
    UNRESOLVED,
    Decision,
    Fill,
    OrderIntent,
    OrderState,
)
from tidemill.memory._orders import MemoryOrders
from tidemill.ports.ledger_rules import marked_equity, movements, reserved_amounts


class MemoryLedger(MemoryOrders):
    """Every port of the ledger on dictionaries, behind one lock."""

    def __init__(self) -> None:
        super().__init__()
        self._peaks: dict[str, Decimal] = {}
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
            peak = marked_equity(decision.record)
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
