"""Orders as rows of the journal."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import Ticket


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
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
