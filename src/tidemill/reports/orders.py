"""Orders counted by what became of them, and as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tidemill.domain.trading import LedgerOrder, OrderState
from tidemill.reports.tables import Row, plain

ORDER_COUNTS = (
    "intended",
    "filled",
    "partly_filled",
    "expired",
    "cancelled",
    "open",
    "rejected",
    "not_placed",
    "unknown",
)
# "open" is what may still fill; an intent not yet sent counts as open as well
_COUNTED_AS = {
    OrderState.PLANNED: "open",
    OrderState.SUBMITTING: "unknown",
    OrderState.UNKNOWN: "unknown",
    OrderState.OPEN: "open",
    OrderState.REJECTED: "rejected",
    OrderState.NOT_PLACED: "not_placed",
    OrderState.CANCELLED: "cancelled",
    OrderState.EXPIRED: "expired",
}


def count_orders(orders: Iterable[LedgerOrder]) -> dict[str, int]:
    """Orders by what became of them, a count for each of ORDER_COUNTS; all but ``intended`` sum to ``intended``.

    filled = all of the quantity sent; partly_filled = a part of it, whether the rest expired or rests. An order that
    filled at all counts as that, whatever its state; the others by their state.
    """
    counts = dict.fromkeys(ORDER_COUNTS, 0)
    for order in orders:
        counts["intended"] += 1
        counts[_count_as(order)] += 1
    return counts


def _count_as(order: LedgerOrder) -> str:
    # what was filled outweighs the state: of an expired order that bought half, the half is what matters
    if order.filled > 0:
        return "filled" if order.filled >= order.quantity else "partly_filled"
    return _COUNTED_AS.get(order.state, "open")


def add_counts(totals: dict[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Sum of two counts of orders, name by name; a name that only one of them has keeps its count.

    Neither is changed; names come in the order of ``totals`` first.
    """
    return {name: totals.get(name, 0) + more.get(name, 0) for name in {**totals, **more}}


def reconcile_page(differences: Sequence[str], doubtful: Sequence[LedgerOrder], frozen: int) -> str:
    """Page of a reconciliation of ledger and venue: each difference in a sentence, each order still in doubt.

    ``frozen`` counts the freezes that it made.
    """
    if not differences and not doubtful:
        return "# Ledger and venue agree\n\nOrders, fills and balances are equal to the last unit.\n"
    lines = [f"- {sentence}" for sentence in differences]
    lines += [f"- order {order.intent.intent_id} is still in doubt" for order in doubtful]
    return f"# Ledger and venue differ\n\n{frozen} new freezes; resume with `tidemill resume`.\n\n" + "\n".join(lines)


ORDER_COLUMNS = ("id", "instrument", "side", "quantity", "limit_price", "state", "filled", "reason")


def order_row(order: LedgerOrder) -> Row:
    """One order, its columns those of ORDER_COLUMNS; quantities and prices as decimal strings in base and quote."""
    intent = order.intent
    return {
        "id": intent.intent_id,
        "instrument": intent.instrument,
        "side": intent.side,
        "quantity": plain(order.quantity),
        "limit_price": plain(intent.limit_price),
        "state": order.state,
        "filled": plain(order.filled),
        "reason": order.reason,
    }
