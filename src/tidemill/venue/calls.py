"""Orders and books as rows of the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import Ticket

Level = Sequence[Decimal]


def ticket_row(ticket: Ticket) -> dict[str, str | None]:
    """An order as text."""
    return {
        "client_order_id": ticket.client_order_id,
        "instrument": ticket.instrument,
        "side": str(ticket.side),
        "order_type": str(ticket.order_type),
        "time_in_force": str(ticket.time_in_force),
        "quantity": str(ticket.quantity),
        "limit_price": _text(ticket.limit_price),
        "stop_price": _text(ticket.stop_price),
        "quote_quantity": _text(ticket.quote_quantity),
    }


def to_ticket(row: Mapping[str, str | None]) -> Ticket:
    """The order that :func:`ticket_row` wrote."""
    return Ticket(
        client_order_id=str(row["client_order_id"]),
        instrument=str(row["instrument"]),
        side=Side(str(row["side"])),
        order_type=OrderType(str(row["order_type"])),
        time_in_force=TimeInForce(str(row["time_in_force"])),
        quantity=Decimal(str(row["quantity"])),
        limit_price=_number(row["limit_price"]),
        stop_price=_number(row["stop_price"]),
        # Journals from before orders by quote have none.
        quote_quantity=_number(row.get("quote_quantity")),
    )


def book_row(bids: Sequence[Level], asks: Sequence[Level]) -> dict[str, list[list[str]]]:
    """A book as text."""
    return {"bids": _side_row(bids), "asks": _side_row(asks)}


def to_side(rows: Sequence[Sequence[str]]) -> list[list[Decimal]]:
    """One side of a book as :func:`book_row` wrote it."""
    return [[Decimal(text) for text in row] for row in rows]


def _side_row(levels: Sequence[Level]) -> list[list[str]]:
    return [[str(number) for number in level] for level in levels]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
