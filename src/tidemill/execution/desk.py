"""Everything that placing and following orders needs, in one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tidemill.domain.errors import LeaseLost
from tidemill.domain.market import Stamp
from tidemill.domain.trading import LedgerOrder, OrderState, OrderTiming
from tidemill.ports import (
    AccountBroker,
    AccountLedger,
    Clock,
    DecisionLedger,
    FillLedger,
    FreezeStore,
    LeaseStore,
    OrderBroker,
    OrderLedger,
    Sleep,
)


class TradingLedger(DecisionLedger, OrderLedger, FillLedger, AccountLedger, FreezeStore, LeaseStore, Protocol):
    """The parts of the ledger that orders touch."""


class Broker(OrderBroker, AccountBroker, Protocol):
    """Both sides of a venue: orders and account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One account at one venue, with the clocks and waits that its orders obey.

    ``market_clock`` says whether an intent has expired, ``wall_clock`` when a request was sent and who holds the lease.
    ``timing`` are the waits of the venue's row, and ``sleep`` lets seconds of the wall clock pass.
    """

    account: str
    ledger: TradingLedger
    broker: Broker
    market_clock: Clock
    wall_clock: Clock
    timing: OrderTiming
    sleep: Sleep

    def stamp(self) -> Stamp:
        """Read both clocks, for what is written now."""
        return Stamp(market=self.market_clock.now(), wall=self.wall_clock.now())

    def check_lease(self, epoch: int) -> None:
        """Raise LeaseLost unless ``epoch`` holds the account now: for what acts at the venue and is no order."""
        if not self.ledger.is_held(self.account, epoch, now=self.wall_clock.now()):
            raise LeaseLost(f"the lease of account '{self.account}' is no longer held under epoch {epoch}")

    def order(self, intent_id: str) -> LedgerOrder:
        """The order of an intent; LookupError when the ledger has none."""
        orders = self.ledger.load_orders(intent_id=intent_id)
        if not orders:
            raise LookupError(f"the ledger has no intent {intent_id}")
        return orders[0]

    def orders(
        self,
        *,
        decision_id: str | None = None,
        states: Sequence[OrderState] | None = None,
        sent_since: datetime | None = None,
    ) -> Sequence[LedgerOrder]:
        """Orders of this account that match all of the filters, by (as_of, attempt, leg).

        ``sent_since`` (wall time) leaves out what was never sent.
        """
        return self.ledger.load_orders(
            account=self.account, decision_id=decision_id, states=states, sent_since=sent_since
        )
