"""The ledger against the venue, to the last unit: orders, fills, fees and balances."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from tidemill.domain.errors import TransientError
from tidemill.domain.market import split_instrument_id
from tidemill.domain.portfolio import ZERO, Balance, Portfolio
from tidemill.domain.trading import RESTING, UNRESOLVED, LedgerOrder, OrderState, VenueOrder
from tidemill.execution.desk import Desk
from tidemill.execution.open_orders import catch_up

MOST_COMPARISONS = 6
DifferenceKind = Literal["unknown order", "missing order", "fill", "fee", "balance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that ledger and venue tell differently; ``scope`` is what a freeze should stop."""

    kind: DifferenceKind
    scope: str
    subject: str
    ledger: Decimal
    venue: Decimal

    @property
    def sentence(self) -> str:
        """One sentence for a person."""
        return f"{self.kind} {self.subject}: ledger {self.ledger}, venue {self.venue}"

    def accepted_as(self, account: str) -> str:
        """Id of the ledger's event that takes exactly this difference over."""
        told = "\x1f".join((self.kind, self.scope, self.subject, f"{self.ledger}", f"{self.venue}"))
        return f"accepted-{account}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def compare_account(desk: Desk, instruments: Collection[str], *, since: datetime) -> tuple[Difference, ...]:
    """Compare everything placed since ``since`` (wall time) and all balances.

    Orders in flight are left out. A difference counts when two comparisons in a row tell it, a settle time apart,
    the ledger unmoved in each, and fills taken in between: a venue's lists may lag behind its balances, or behind its
    answer to an order, for as long as absence takes to prove. TransientError when the venue does not answer, or the
    account never stands still.
    """
    earlier: tuple[Difference, ...] | None = None
    for _ in range(MOST_COMPARISONS):
        before = desk.ledger.load_portfolio(desk.account).ledger_sequence
        found = _compare_once(desk, instruments, since)
        if desk.ledger.load_portfolio(desk.account).ledger_sequence != before:
            continue
        if not found or found == earlier:
            return _not_accepted(desk, found)
        earlier = found
        desk.sleep(desk.timing.visibility_seconds)
        catch_up(desk)
    raise TransientError(f"account {desk.account} moves while it is compared; it is compared again later")


def _not_accepted(desk: Desk, found: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Leave out what a person has taken over as it is."""
    if not found:
        return found
    accepted = {event.event_id for event in desk.ledger.load_cash_events(desk.account)}
    return tuple(one for one in found if one.accepted_as(desk.account) not in accepted)


def freeze_differences(desk: Desk, differences: Collection[Difference]) -> int:
    """Freeze what each difference concerns; return how many freezes are new."""
    return sum(desk.ledger.freeze(one.scope, one.sentence, stamp=desk.stamp()) for one in differences)


def compare_balances(
    portfolio: Portfolio, balances: Mapping[str, Balance], *, account: str, bases: Mapping[str, str]
) -> tuple[Difference, ...]:
    """Differences of balances; ``bases`` maps a base asset to the instrument to freeze, others freeze the account."""
    differences = []
    for asset in sorted(set(portfolio.assets) | set(balances)):
        ours = portfolio.quantity(asset)
        theirs = balances[asset].total if asset in balances else ZERO
        if ours != theirs:
            scope = bases.get(asset, account)
            differences.append(Difference(kind="balance", scope=scope, subject=asset, ledger=ours, venue=theirs))
    return tuple(differences)


def _compare_once(desk: Desk, instruments: Collection[str], since: datetime) -> tuple[Difference, ...]:
    ours = desk.orders()
    differences: list[Difference] = []
    for instrument in sorted(instruments):
        theirs = desk.broker.fetch_orders(instrument, since)
        mine = [order for order in ours if order.intent.instrument == instrument]
        differences += _compare_orders(instrument, mine, theirs, since)
        differences += _compare_fees(desk, instrument, since)
    bases = {split_instrument_id(instrument)[0]: instrument for instrument in instruments}
    in_flight = {split_instrument_id(o.intent.instrument) for o in ours if o.state in UNRESOLVED}
    busy = {asset for base, quote, _ in in_flight for asset in (base, quote)}
    portfolio = desk.ledger.load_portfolio(desk.account)
    balances = compare_balances(portfolio, desk.broker.fetch_balances(), account=desk.account, bases=bases)
    return (*differences, *(one for one in balances if one.subject not in busy))


def _compare_orders(
    instrument: str, ours: list[LedgerOrder], theirs: Collection[VenueOrder], since: datetime
) -> list[Difference]:
    by_venue_id = {order.venue_order_id: order for order in ours if order.venue_order_id}
    by_client_id = {order.intent.client_order_id: order for order in ours}
    differences = []
    seen: set[str] = set()
    for told in theirs:
        known = by_venue_id.get(told.venue_order_id) or by_client_id.get(told.client_order_id)
        if known is None:
            differences.append(_differ("unknown order", instrument, told.venue_order_id, ZERO, told.quantity))
            continue
        seen.add(known.intent.intent_id)
        if known.state not in UNRESOLVED and known.filled != told.filled:
            differences.append(_differ("fill", instrument, known.intent.intent_id, known.filled, told.filled))
    for order in ours:
        expected = order.sent_at is not None and order.sent_at >= since and order.state in _AT_VENUE
        if expected and order.intent.intent_id not in seen:
            differences.append(_differ("missing order", instrument, order.intent.intent_id, order.quantity, ZERO))
    return differences


def _compare_fees(desk: Desk, instrument: str, since: datetime) -> list[Difference]:
    """Trade by trade: a venue may correct a fee after it was told, or take a trade back."""
    fills = [one for one in desk.ledger.load_fills(desk.account) if one.instrument == instrument]
    ours = [one for one in fills if one.traded_at >= since]
    if not ours:
        return []
    before = [one.trade_id for one in fills if one.traded_at < since]
    theirs = {one.trade_id: one for one in desk.broker.fetch_fills(instrument, before[-1] if before else None)}
    differences = []
    for fill in ours:
        told = theirs.get(fill.trade_id)
        if told is None:
            differences.append(_differ("fill", instrument, f"trade {fill.trade_id}", fill.quantity, ZERO))
        elif (told.fee, told.fee_asset) != (fill.fee, fill.fee_asset):
            subject = f"trade {fill.trade_id} in {told.fee_asset}"
            differences.append(_differ("fee", instrument, subject, fill.fee, told.fee))
    return differences


def _differ(kind: DifferenceKind, scope: str, subject: str, ledger: Decimal, venue: Decimal) -> Difference:
    return Difference(kind=kind, scope=scope, subject=subject, ledger=ledger, venue=venue)


_AT_VENUE = RESTING | {OrderState.FILLED, OrderState.EXPIRED, OrderState.CANCELLED}
