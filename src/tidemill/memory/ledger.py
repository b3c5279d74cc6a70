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
        self._trades: set[tuple[str, str, str]] = set()
        self._last_trade: dict[tuple[str, str], str] = {}

    # -- decisions

    def record_decision(self, decision: Decision, intents: Sequence[OrderIntent], *, epoch: int) -> bool:
        """Write the decision, its intents and the end of what was planned before, under the one lock."""
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
        """Append a PLANNED intent to a decision that is there."""
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
        """The decision, or None."""
        return self._decisions.get(decision_id)

    def load_watermarks(self) -> Sequence[int]:
        """Each store watermark once, ascending."""
        return sorted({decision.store_watermark for decision in self._decisions.values()})

    def load_decisions(self, account: str, *, since: datetime | None = None) -> Sequence[Decision]:
        """Decisions of the account by as_of, then attempt."""
        decisions = [
            decision
            for decision in self._decisions.values()
            if decision.account == account and (since is None or decision.as_of >= since)
        ]
        return sorted(decisions, key=lambda decision: (decision.as_of, decision.attempt))

    # -- fills and cash

    def record_fills(self, account: str, fills: Sequence[Fill], *, stamp: Stamp) -> int:
        """Append fills that are new, book what they move, and link them to their orders."""
        del stamp
        with self._lock:
            # the first of equal trades counts, in the order in which they came
            by_trade = {(account, fill.instrument, fill.trade_id): fill for fill in reversed(fills)}
            new = [fill for key, fill in reversed(by_trade.items()) if key not in self._trades]
            for fill in new:
                self._add_fill(account, fill)
            return len(new)

    def _add_fill(self, account: str, fill: Fill) -> None:
        self._trades.add((account, fill.instrument, fill.trade_id))
        intent_id = self._by_venue_id.get((account, fill.instrument, fill.venue_order_id))
        recorded = self._fills.setdefault(account, [])
        if intent_id is None:
            self._orphans.setdefault(account, []).append(len(recorded))
        recorded.append((fill, intent_id))
        self._last_trade[account, fill.instrument] = fill.trade_id
        self._next(account)
        for asset, amount in movements(fill):
            self._book(account, asset, amount)
        if intent_id:
            order = self._orders[intent_id]
            self._orders[intent_id] = replace(order, filled=order.filled + fill.quantity)

    def load_fills(self, account: str, *, intent_id: str | None = None) -> Sequence[Fill]:
        """Fills in the order in which they were recorded."""
        return [fill for fill, owner in self._fills.get(account, ()) if intent_id is None or owner == intent_id]

    def last_trade_id(self, account: str, instrument: str) -> str | None:
        """The trade id recorded last for the instrument, or None."""
        return self._last_trade.get((account, instrument))

    def load_portfolio(self, account: str) -> Portfolio:
        """The running sums of the account, with what its open orders reserve."""
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
