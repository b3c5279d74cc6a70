"""The record of what we did: decisions, orders, fills, cash, leases, stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import Account, CashEvent, Portfolio
from tidemill.domain.trading import (
    Decision,
    Fill,
    Freeze,
    LedgerOrder,
    OrderIntent,
    OrderState,
    VenueOrder,
)
from tidemill.ports.ledger_rules import OrderEvent


class DecisionLedger(Protocol):
    """Decisions and their intents."""

    def record_decision(self, decision: Decision, intents: Sequence[OrderIntent], *, epoch: int) -> bool:
        """One durable transaction: decision, intents, a PLANNED event each. False when it was there already.

        Marks every PLANNED intent of earlier decisions of the account NOT_PLACED in the same transaction.
        LeaseLost when ``epoch`` is not the account lease's; TradingError when an order of the account is
        SUBMITTING or UNKNOWN (refusals are recorded all the same).
        """
        ...

    def add_intent(self, intent: OrderIntent, *, epoch: int, stamp: Stamp) -> bool:
        """Append a PLANNED intent to a decision that is there; False when it was there already.

        It takes a cancelled order's place. LeaseLost as for decisions; TradingError when the account has no such
        decision.
        """
        ...

    def load_decision(self, decision_id: str) -> Decision | None:
        """The decision, or None."""
        ...

    def load_watermarks(self) -> Sequence[int]:
        """The store watermark of every decision of every account, ascending, each once."""
        ...

    def load_decisions(self, account: str, *, since: datetime | None = None) -> Sequence[Decision]:
        """Decisions of the account by as_of, then attempt."""
        ...


class OrderLedger(Protocol):
    """The append-only story of each order. Every write is one durable transaction."""

    def load_orders(
        self,
        *,
        account: str | None = None,
        decision_id: str | None = None,
        intent_id: str | None = None,
        states: Sequence[OrderState] | None = None,
        sent_since: datetime | None = None,
    ) -> Sequence[LedgerOrder]:
        """Orders that match all that is given, by (as_of, attempt, leg); ``sent_since`` leaves out what never left."""
        ...

    def begin_submit(
        self, intent_id: str, *, epoch: int, window_ms: int, stamp: Stamp, absent: LedgerOrder | None = None
    ) -> LedgerOrder | None:
        """Write SUBMITTING with send time (``stamp.wall``) and window, and return the order as it now is.

        A planned intent begins its first send. With ``absent``, an UNKNOWN order begins another one, if its last
        send still is the one that was proven absent. None, and nothing is written, when the ledger knows of anything
        else: the order was sent by another process, or ended.

        In the same transaction: TradingError when there is no such intent; LeaseLost unless ``epoch`` is current and
        the lease unexpired at ``stamp.wall``; TradingStopped when a freeze of the instrument, the account or ``*``
        stands; OrderExpired when the market time is past the intent's expiry.
        """
        ...

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
        """Append a move (an equal state with nothing new adds nothing) and return the order as it then is.

        TradingError when the move is illegal.

        ``expected`` is the order as the caller last read it. When it was sent (again) since, what the caller reports
        is of an older send and proves nothing about the newer one: nothing is written.
        """
        ...

    def reduce_buys(
        self, decision_id: str, allowed: Mapping[str, Decimal], *, epoch: int, stamp: Stamp
    ) -> Sequence[LedgerOrder]:
        """Once per decision: cut each PLANNED buy to ``allowed[intent_id]``, never raising it; 0 -> NOT_PLACED.

        A second call changes nothing. Returns the decision's buys as they now are. LeaseLost as for a send: what was
        free may be another's by now.
        """
        ...


class FillLedger(Protocol):
    """Fills, cash and what they add up to."""

    def record_fills(self, account: str, fills: Sequence[Fill], *, stamp: Stamp) -> int:
        """Append fills not yet there (by instrument and trade id); return how many were new.

        A fill of an order of ours is tied to its intent by client or venue order id.
        """
        ...

    def load_fills(self, account: str, *, intent_id: str | None = None) -> Sequence[Fill]:
        """Fills in ledger order."""
        ...

    def last_trade_id(self, account: str, instrument: str) -> str | None:
        """The newest trade id recorded for the instrument, or None."""
        ...

    def load_portfolio(self, account: str) -> Portfolio:
        """Opening cash + cash events + fills - fees, to the last unit; reserved by open orders."""
        ...


class AccountLedger(Protocol):
    """Accounts and cash events."""

    def open_account(self, account: Account, balances: Mapping[str, Decimal], *, stamp: Stamp) -> bool:
        """Record the account with its opening balances; False when it is open already."""
        ...

    def load_account(self, account: str) -> Account | None:
        """The account, or None."""
        ...

    def load_cash_events(self, account: str) -> Sequence[CashEvent]:
        """Every cash event of the account, oldest first."""
        ...

    def record_cash_event(self, event: CashEvent, *, stamp: Stamp) -> bool:
        """Append by event id; False when it was there already."""
        ...


class LeaseStore(Protocol):
    """One row per name: who may act, and the epoch that fences out everyone before."""

    def acquire(self, name: str, owner: str, *, ttl_seconds: float, now: datetime) -> int | None:
        """Take a free or expired lease (or one already ours); the new epoch, or None when another holds it.

        Each acquisition raises the epoch by one. ``now`` is wall time.
        """
        ...

    def renew(self, name: str, owner: str, epoch: int, *, ttl_seconds: float, now: datetime) -> bool:
        """Extend; False when the lease is no longer ours."""
        ...

    def is_held(self, name: str, epoch: int, *, now: datetime) -> bool:
        """Whether ``epoch`` is current and unexpired at ``now``."""
        ...

    def release(self, name: str, owner: str, epoch: int) -> None:
        """Give it back; nothing happens when it is no longer ours."""
        ...


class FreezeStore(Protocol):
    """Freezes of instruments and accounts, and the halt (scope ``*``)."""

    def freeze(self, scope: str, reason: str, *, stamp: Stamp) -> bool:
        """Stop ``scope``; False when it is stopped already (the first reason stands)."""
        ...

    def resume(self, scope: str, because: str, *, stamp: Stamp) -> bool:
        """Lift the stop with a person's reason; False when none stands."""
        ...

    def load_freezes(self) -> Sequence[Freeze]:
        """Stops that stand now."""
        ...


class Ledger(DecisionLedger, OrderLedger, FillLedger, AccountLedger, LeaseStore, FreezeStore, Protocol):
    """The whole record of what we did, in one database: what a decision is made on and what an order leaves behind."""

    def load_order_events(self, intent_id: str) -> Sequence[OrderEvent]:
        """Every move of one order, oldest first; empty when there is no such intent."""
        ...
