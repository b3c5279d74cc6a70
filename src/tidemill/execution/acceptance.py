"""A person takes the venue's figures over: what differs becomes an event of the ledger, with the reason."""

from __future__ import annotations

from collections.abc import Collection

from tidemill.domain.market import split_instrument_id
from tidemill.domain.portfolio import ZERO, CashEvent
from tidemill.execution.desk import Desk
from tidemill.execution.reconciliation import Difference


def accept_differences(desk: Desk, differences: Collection[Difference], because: str) -> int:
    """Book each difference once; how many were new.

    A balance is adjusted to the venue's. An order, fill or fee that stays different moves nothing more, since the
    balances show its effect: it is noted, and the same difference freezes nothing again. Record the venue's trades
    before (``sync_fills``), or they are counted twice.
    """
    sequence = desk.ledger.load_portfolio(desk.account).ledger_sequence
    events = [_event(desk.account, difference, sequence, because) for difference in differences]
    return sum(desk.ledger.record_cash_event(event, stamp=desk.stamp()) for event in events)


def _event(account: str, difference: Difference, sequence: int, because: str) -> CashEvent:
    is_balance = difference.kind == "balance"
    return CashEvent(
        event_id=f"adjust-{account}-{difference.subject}-{sequence}" if is_balance else difference.accepted_as(account),
        account=account,
        asset=difference.subject if is_balance else split_instrument_id(difference.scope)[1],
        amount=difference.venue - difference.ledger if is_balance else ZERO,
        kind="adjustment",
        because=f"{because} ({difference.sentence})",
    )
