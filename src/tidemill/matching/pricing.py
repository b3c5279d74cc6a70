"""At what price an order fills on a bar, and whether it may be placed at all."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from tidemill.domain.market import Bar, Instrument, ceil_to_step, floor_to_step
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderType, Side
from tidemill.matching.values import FillRules, Refusal, SimOrder, Ticket

INSUFFICIENT = Refusal(code=-2010, message="Account has insufficient balance for requested action.")
DUPLICATE = Refusal(code=-2010, message="Duplicate order sent.")
WOULD_MATCH = Refusal(code=-2010, message="Order would immediately match and take.")
UNKNOWN_ORDER = Refusal(code=-2011, message="Unknown order sent.")
MARKET_CLOSED = Refusal(code=-1013, message="Market is closed.")
SHUTTING_DOWN = Refusal(code=-1000, message="System is under maintenance.")
INVALID_SYMBOL = Refusal(code=-1121, message="Invalid symbol.")


def taking_price(bar: Bar, side: Side, moment: datetime, rules: FillRules, step: Decimal) -> Decimal:
    """Price at which a marketable order sent at ``moment`` fills in ``bar``.

    The open up to the decision delay after it, later the high (buy) or low (sell) so far; moved by the
    slippage and rounded to the step, both against the order.
    """
    early = moment <= bar.open_time + rules.decision_delay
    if side is Side.BUY:
        return ceil_to_step((bar.open if early else bar.high) * (1 + rules.slippage), step)
    return max(floor_to_step((bar.open if early else bar.low) * (1 - rules.slippage), step), step)


def is_marketable(ticket: Ticket, price: Decimal) -> bool:
    """Whether ``price`` is within the ticket's limit."""
    if ticket.limit_price is None:
        return True
    return price <= ticket.limit_price if ticket.side is Side.BUY else price >= ticket.limit_price


def trades_through(bar: Bar, side: Side, price: Decimal, step: Decimal) -> bool:
    """Whether the bar goes beyond a resting limit by at least one step."""
    return bar.low <= price - step if side is Side.BUY else bar.high >= price + step


def triggers(bar: Bar, order: SimOrder, step: Decimal) -> bool:
    """Whether the bar goes beyond a stop by at least one step: up for a buy, down for a sell."""
    stop = order.ticket.stop_price or ZERO
    return bar.high >= stop + step if order.ticket.side is Side.BUY else bar.low <= stop - step


def check_filters(ticket: Ticket, instrument: Instrument, reference: Decimal | None) -> Refusal | None:
    """Apply the trading rules; ``reference`` is the estimated price of a market order (None: unknown)."""
    prices = [price for price in (ticket.limit_price, ticket.stop_price) if price is not None]
    if any(price <= 0 or price % instrument.price_step for price in prices):
        return Refusal(code=-1013, message="Filter failure: PRICE_FILTER")
    if ticket.quantity <= 0 or ticket.quantity % instrument.lot_step:
        return Refusal(code=-1013, message="Filter failure: LOT_SIZE")
    price = ticket.limit_price if ticket.order_type is not OrderType.MARKET else reference
    if price is not None and price * ticket.quantity < instrument.min_notional:
        return Refusal(code=-1013, message="Filter failure: NOTIONAL")
    return None
