"""Orders, books, bars and rules as rows of the journal.

Numbers are text, so that a Decimal comes back digit by digit. Journals outlive versions of this module: a field may be
added, with a default for rows that lack it, but none renamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tidemill.domain.market import Bar, format_time, parse_time
from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import FillRules, Ticket

Level = Sequence[Decimal]


def ticket_row(ticket: Ticket) -> dict[str, str | None]:
    """An order as text.

    Every field of the ticket; prices that are not there are None.
    """
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
    """The order that :func:`ticket_row` wrote.

    Rows from before a field existed are read with its default. KeyError for any other field that is missing.
    """
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
    """A book as text.

    Both sides best first, each level a pair of price and quantity.
    """
    return {"bids": _side_row(bids), "asks": _side_row(asks)}


def to_side(rows: Sequence[Sequence[str]]) -> list[list[Decimal]]:
    """One side of a book as :func:`book_row` wrote it.

    Levels of Decimals, in the order in which they were written.
    """
    return [[Decimal(text) for text in row] for row in rows]


def bar_row(bar: Bar) -> list[str]:
    """A closed bar as text.

    Times in ISO 8601 UTC, then open, high, low, close and volume.
    """
    numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return [format_time(bar.open_time), format_time(bar.close_time), *(str(number) for number in numbers)]


def to_bar(row: Sequence[str]) -> Bar:
    """The bar that :func:`bar_row` wrote.

    DataError when a time cannot be read; the numbers are exact.
    """
    opened, closed = (parse_time(text, "bar") for text in row[:2])
    first, high, low, last, volume = (Decimal(text) for text in row[2:])
    return Bar(open_time=opened, close_time=closed, open=first, high=high, low=low, close=last, volume=volume)


def rules_row(rules: FillRules) -> dict[str, str]:
    """What decides at which price and cost orders fill, as text.

    Journals compare it: a database is opened only with the rules that made it. Rules at zero that came later are left
    out, so that older journals still fit.
    """
    row = {name: str(getattr(rules, name)) for name in ("slippage", "participation", "fee_maker", "fee_taker")}
    row |= {"decision_delay": str(rules.decision_delay), "fee_asset": rules.fee_asset}
    # told only where chosen, so that a journal from before there were these still fits
    row |= {name: str(value) for name in ("spread", "impact", "latency") if (value := getattr(rules, name))}
    # Sorted, so that the order in a settings file does not make other rules.
    prices = sorted(rules.fee_asset_prices.items())
    return row | {"fee_asset_prices": ", ".join(f"{quote} {price}" for quote, price in prices)}


def _side_row(levels: Sequence[Level]) -> list[list[str]]:
    return [[str(number) for number in level] for level in levels]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
