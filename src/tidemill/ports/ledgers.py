"""The record of what we did: decisions, orders, fills, cash, leases, stops.

Every method that writes is one transaction: it is durable when it returns, and nothing of it is written when it
raises. Writers of one ledger are serialised, across processes too. All methods may raise TransientError when the store
does not answer (then nothing is known to be written), and ConfigurationError when it is damaged. Quantities are
Decimal in base units, amounts in the asset's own unit, times aware UTC.
"""

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
        """Write the decision, its intents and a PLANNED event each; False when the decision was there already.

        In the same transaction every PLANNED intent of earlier decisions of the account becomes NOT_PLACED, and the
        account's peak equity rises to what the decision's record has marked. LeaseLost when ``epoch`` is not the
        account lease's; TradingError when an order of the account is SUBMITTING or UNKNOWN (refusals are recorded all
        the same).
        """
        ...

    def add_intent(self, intent: OrderIntent, *, epoch: int, stamp: Stamp) -> bool:
        """Append a PLANNED intent to a decision that is there; False when it was there already.

        It takes a cancelled order's place, under an id that follows from that order's. LeaseLost as for decisions;
        TradingError when the account has no such decision.
        """
        ...

    def load_decision(self, decision_id: str) -> Decision | None:
        """The decision with its record, or None when it was never recorded."""
        ...

    def load_watermarks(self) -> Sequence[int]:
        """The store watermark of every decision of every account, ascending, each once."""
        ...

    def load_decisions(self, account: str, *, since: datetime | None = None) -> Sequence[Decision]:
        """Decisions of the account with as_of at or after ``since`` (all when None), by as_of, then attempt."""
        ...


class OrderLedger(Protocol):
    """The append-only story of each order, and where each order stands now."""

    def load_orders(
        self,
        *,
        account: str | None = None,
        decision_id: str | None = None,
        intent_id: str | None = None,
        states: Sequence[OrderState] | None = None,
        sent_since: datetime | None = None,
    ) -> Sequence[LedgerOrder]:
        """Orders that match all filters that are set, by (as_of, attempt, leg), each with what is filled of it.

        ``sent_since`` (wall time) leaves out what was sent before it or never.
        """
        ...

    def begin_submit(
        self, intent_id: str, *, epoch: int, window_ms: int, stamp: Stamp, absent: LedgerOrder | None = None
    ) -> LedgerOrder | None:
        """Write SUBMITTING with send time (``stamp.wall``) and window, and return the order as it now is.

        Only when this has returned may the request leave: a process that dies after it has left an order that every
        later one looks up.

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

        ``order`` is what the venue reported, None for a conclusion of ours; ``reason`` says why, for people. Fills that
        came before the venue's id was known are linked to the intent in the same transaction. TradingError when the
        table of legal moves forbids the move.

        ``expected`` is the order as the caller last read it. When it was sent (again) since, what the caller reports
        is of an older send and proves nothing about the newer one: nothing is written.
        """
        ...

    def reduce_buys(
        self, decision_id: str, allowed: Mapping[str, Decimal], *, epoch: int, stamp: Stamp
    ) -> Sequence[LedgerOrder]:
        """Once per decision: cut each PLANNED buy to ``allowed[intent_id]``, never raising it; 0 -> NOT_PLACED.

        A second call changes nothing, so that a run that goes on after a crash cannot cut twice. Returns the decision's
        buys as they now are. LeaseLost as for a send: what was free may be another's by now.
        """
        ...


class FillLedger(Protocol):
    """Fills, cash and what they add up to."""

    def record_fills(self, account: str, fills: Sequence[Fill], *, stamp: Stamp) -> int:
        """Append fills not yet there (by instrument and trade id), and book what they move; how many were new.

        A fill is linked to its intent by the venue's order id, at once or when ``record_state`` brings that id. All of
        them are one transaction: a crash in between leaves none, and the same call again records them.
        """
        ...

    def load_fills(self, account: str, *, intent_id: str | None = None) -> Sequence[Fill]:
        """Fills of the account, or of one intent, in the order in which they were recorded."""
        ...

    def last_trade_id(self, account: str, instrument: str) -> str | None:
        """The trade id recorded last for the instrument, after which to ask the venue; None before the first."""
        ...

    def load_portfolio(self, account: str) -> Portfolio:
        """Opening cash + cash events + fills - fees, to the last unit; and what open orders reserve.

        One consistent read: ``ledger_sequence`` is the newest entry of the account that it includes.
        """
        ...


class AccountLedger(Protocol):
    """Accounts and cash events."""

    def open_account(self, account: Account, balances: Mapping[str, Decimal], *, stamp: Stamp) -> bool:
        """Record the account with its opening balances (asset -> amount); False when it is open already."""
        ...

    def load_account(self, account: str) -> Account | None:
        """The account, or None when it was never opened."""
        ...

    def load_cash_events(self, account: str) -> Sequence[CashEvent]:
        """Every cash event of the account, oldest first."""
        ...

    def record_cash_event(self, event: CashEvent, *, stamp: Stamp) -> bool:
        """Append by event id and book the amount; False when it was there already."""
        ...


class LeaseStore(Protocol):
    """One row per name: who may act, and the epoch that fences out everyone before."""

    def acquire(self, name: str, owner: str, *, ttl_seconds: float, now: datetime) -> int | None:
        """Take a free or expired lease, or ``owner``'s own again; the new epoch, or None when another holds it.

        Each acquisition raises the epoch by one. ``now`` is wall time.
        """
        ...

    def renew(self, name: str, owner: str, epoch: int, *, ttl_seconds: float, now: datetime) -> bool:
        """Move the expiry to ``now`` + ``ttl_seconds``; False when another owner or epoch holds the lease."""
        ...

    def is_held(self, name: str, epoch: int, *, now: datetime) -> bool:
        """Whether ``epoch`` is current and unexpired at ``now``."""
        ...

    def release(self, name: str, owner: str, epoch: int) -> None:
        """Let it expire at once; nothing happens when another owner or epoch holds it."""
        ...


class FreezeStore(Protocol):
    """Freezes of instruments and accounts, and the halt (scope ``*``)."""

    def freeze(self, scope: str, reason: str, *, stamp: Stamp) -> bool:
        """Stop ``scope``; False when it is stopped already (the first reason stands)."""
        ...

    def resume(self, scope: str, because: str, *, stamp: Stamp) -> bool:
        """Lift the stop with a person's reason, which is kept with it; False when none stands."""
        ...

    def load_freezes(self) -> Sequence[Freeze]:
        """Stops that stand now, oldest first."""
        ...


class Ledger(DecisionLedger, OrderLedger, FillLedger, AccountLedger, LeaseStore, FreezeStore, Protocol):
    """The whole record of what we did, in one database: what a decision is made on and what an order leaves behind."""

    def load_order_events(self, intent_id: str) -> Sequence[OrderEvent]:
        """Every move of one order, oldest first; empty when there is no such intent."""
        ...
