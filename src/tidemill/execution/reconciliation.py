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
    """One point on which ledger and venue differ.

    ``scope`` is what a freeze should stop: an instrument, or the account. ``subject`` names the order, trade or asset;
    ``ledger`` and ``venue`` are what each says of it, in the asset's own unit.
    """

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
        text = "\x1f".join((self.kind, self.scope, self.subject, f"{self.ledger}", f"{self.venue}"))
        return f"accepted-{account}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def compare_account(desk: Desk, instruments: Collection[str], *, since: datetime) -> tuple[Difference, ...]:
    """Compare everything placed since ``since`` (wall time) and all balances.

    Orders in flight are left out. A difference counts when two comparisons in a row show it, a visibility delay apart,
    the ledger unmoved in each, and fills recorded in between: a venue's lists may lag behind its balances, or behind
    its answer to an order, for as long as absence takes to prove. TransientError when the venue does not answer, or
    the account never stands still.
    """
    earlier: tuple[Difference, ...] | None = None
    for _ in range(MOST_COMPARISONS):
        before = desk.ledger.load_portfolio(desk.account).ledger_sequence
        differences = _compare_once(desk, instruments, since)
        if desk.ledger.load_portfolio(desk.account).ledger_sequence != before:
            continue
        if not differences or differences == earlier:
            return _not_accepted(desk, differences)
        earlier = differences
        desk.sleep(desk.timing.visibility_seconds)
        catch_up(desk)
    raise TransientError(f"account {desk.account} moves while it is compared; it is compared again later")


def _not_accepted(desk: Desk, differences: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Leave out what a person has taken over as it is."""
    if not differences:
        return differences
    accepted = {event.event_id for event in desk.ledger.load_cash_events(desk.account)}
    return tuple(difference for difference in differences if difference.accepted_as(desk.account) not in accepted)


def freeze_differences(desk: Desk, differences: Collection[Difference]) -> int:
    """Freeze what each difference concerns; return how many freezes are new."""
    return sum(desk.ledger.freeze(point.scope, point.sentence, stamp=desk.stamp()) for point in differences)


def compare_balances(
    portfolio: Portfolio, balances: Mapping[str, Balance], *, account: str, bases: Mapping[str, str]
) -> tuple[Difference, ...]:
    """Differences of balances; ``bases`` maps a base asset to the instrument to freeze, others freeze the account."""
    differences = []
    for asset in sorted(set(portfolio.assets) | set(balances)):
        held = portfolio.quantity(asset)
        at_venue = balances[asset].total if asset in balances else ZERO
        if held != at_venue:
            scope = bases.get(asset, account)
            differences.append(Difference(kind="balance", scope=scope, subject=asset, ledger=held, venue=at_venue))
    return tuple(differences)


def _compare_once(desk: Desk, instruments: Collection[str], since: datetime) -> tuple[Difference, ...]:
    orders = desk.orders()
    differences: list[Difference] = []
    for instrument in sorted(instruments):
        listed = desk.broker.fetch_orders(instrument, since)
        recorded = [order for order in orders if order.intent.instrument == instrument]
        differences += _compare_orders(instrument, recorded, listed, since)
        differences += _compare_fees(desk, instrument, since)
    bases = {split_instrument_id(instrument)[0]: instrument for instrument in instruments}
    in_flight = {split_instrument_id(o.intent.instrument) for o in orders if o.state in UNRESOLVED}
    busy = {asset for base, quote, _ in in_flight for asset in (base, quote)}
    portfolio = desk.ledger.load_portfolio(desk.account)
    balances = compare_balances(portfolio, desk.broker.fetch_balances(), account=desk.account, bases=bases)
    return (*differences, *(balance for balance in balances if balance.subject not in busy))


def _compare_orders(
    instrument: str, recorded: list[LedgerOrder], listed: Collection[VenueOrder], since: datetime
) -> list[Difference]:
    by_venue_id = {order.venue_order_id: order for order in recorded if order.venue_order_id}
    by_client_id = {order.intent.client_order_id: order for order in recorded}
    differences = []
    matched: set[str] = set()
    for row in listed:
        order = by_venue_id.get(row.venue_order_id) or by_client_id.get(row.client_order_id)
        if order is None:
            differences.append(_differ("unknown order", instrument, row.venue_order_id, ZERO, row.quantity))
            continue
        matched.add(order.intent.intent_id)
        if order.state not in UNRESOLVED and order.filled != row.filled:
            differences.append(_differ("fill", instrument, order.intent.intent_id, order.filled, row.filled))
    for order in recorded:
        expected = order.sent_at is not None and order.sent_at >= since and order.state in _AT_VENUE
        if expected and order.intent.intent_id not in matched:
            differences.append(_differ("missing order", instrument, order.intent.intent_id, order.quantity, ZERO))
    return differences


def _compare_fees(desk: Desk, instrument: str, since: datetime) -> list[Difference]:
    """Trade by trade: a venue may correct a fee after it reported it, or take a trade back."""
    fills = [fill for fill in desk.ledger.load_fills(desk.account) if fill.instrument == instrument]
    recorded = [fill for fill in fills if fill.traded_at >= since]
    if not recorded:
        return []
    before = [fill.trade_id for fill in fills if fill.traded_at < since]
    listed = {fill.trade_id: fill for fill in desk.broker.fetch_fills(instrument, before[-1] if before else None)}
    differences = []
    for fill in recorded:
        at_venue = listed.get(fill.trade_id)
        if at_venue is None:
            differences.append(_differ("fill", instrument, f"trade {fill.trade_id}", fill.quantity, ZERO))
        elif (at_venue.fee, at_venue.fee_asset) != (fill.fee, fill.fee_asset):
            subject = f"trade {fill.trade_id} in {at_venue.fee_asset}"
            differences.append(_differ("fee", instrument, subject, fill.fee, at_venue.fee))
    return differences


def _differ(kind: DifferenceKind, scope: str, subject: str, ledger: Decimal, venue: Decimal) -> Difference:
    return Difference(kind=kind, scope=scope, subject=subject, ledger=ledger, venue=venue)


_AT_VENUE = RESTING | {OrderState.FILLED, OrderState.EXPIRED, OrderState.CANCELLED}
