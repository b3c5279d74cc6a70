"""Orders, trades and refusals as an exchange sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderState, OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRules:
    """Costs and realism: fractions of price (``slippage``), of volume (``participation``), of what is traded (fees)."""

    slippage: Decimal
    participation: Decimal
    decision_delay: timedelta
    fee_maker: Decimal
    fee_taker: Decimal
    fee_asset: Literal["received", "quote"] = "received"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order as the exchange receives it."""

    client_order_id: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The exchange's own error code and text; nothing has changed."""

    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SimTrade:
    """One execution; ids count up from 1 over all accounts."""

    trade_id: int
    order_id: int
    account: str
    client_order_id: str
    instrument: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    market_time: datetime
    wall_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOrder:
    """One order with all that has become of it. A cancel replaces ``client_order_id``."""

    order_id: int
    account: str
    ticket: Ticket
    client_order_id: str
    state: OrderState
    filled: Decimal = ZERO
    quote_filled: Decimal = ZERO
    placed_market: datetime
    placed_wall: datetime
    updated_wall: datetime
    trades: tuple[SimTrade, ...] = ()
    after_bar: datetime
    """Only bars that open after this one may fill or trigger it."""
    triggered: bool = True
    """False for a stop order whose stop has not been traded through."""

    @property
    def rest(self) -> Decimal:
        """What may still fill."""
        return self.ticket.quantity - self.filled
