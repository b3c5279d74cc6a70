"""Orders, trades and refusals as an exchange sees them.

They are frozen: what the exchange hands out never changes behind a caller's back, and can be compared with what it was
before. Quantities are in base, prices in quote, all of them Decimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tidemill.domain.errors import DataError
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderState, OrderType, Side, TimeInForce

RECEIVED, QUOTE = "received", "quote"
# Members read through their class cost a call each time, more than a comparison of prices.
BUY, SELL = Side.BUY, Side.SELL
GTC, FOK = TimeInForce.GTC, TimeInForce.FOK
MARKET, LIMIT_MAKER, STOP_LIMIT = OrderType.MARKET, OrderType.LIMIT_MAKER, OrderType.STOP_LIMIT
OPEN, PARTLY_FILLED, FILLED = OrderState.OPEN, OrderState.PARTLY_FILLED, OrderState.FILLED


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRules:
    """Costs and realism: fractions of price (``slippage``), of volume (``participation``), of what is traded (fees).

    ``spread`` is the whole distance of bid and ask, of which who takes pays half; ``impact`` what an order as large as
    its bar moves the price, growing with the square root of its share (0: slippage does not depend on volume);
    ``latency`` how long after the market time of the call an order arrives. These three act on bars, not on a book.
    ``fee_asset`` is ``received`` (out of what an execution brings), ``quote``, or the name of a third asset;
    a third asset needs ``fee_asset_prices``: quote asset -> price of the third asset in it. Rules that
    cannot be meant are a DataError.
    """

    slippage: Decimal
    participation: Decimal
    decision_delay: timedelta
    fee_maker: Decimal
    fee_taker: Decimal
    fee_asset: str = RECEIVED
    # A mapping has no hash: equal rules still hash alike without it.
    fee_asset_prices: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    spread: Decimal = ZERO
    impact: Decimal = ZERO
    latency: timedelta = timedelta()

    def __post_init__(self) -> None:
        self._check_prices()
        if self.participation < 0:
            raise DataError(f"participation is a fraction of a bar's volume >= 0, not {self.participation}")
        if not self.fee_asset:
            raise DataError("fee_asset is empty; write received, quote or an asset such as BNB")
        for quote, price in self.fee_asset_prices.items():
            if not price > 0:
                raise DataError(f"the price of {self.fee_asset} in {quote} must be > 0, not {price}")
        object.__setattr__(self, "fee_asset_prices", dict(self.fee_asset_prices))

    def _check_prices(self) -> None:
        for name in ("slippage", "fee_maker", "fee_taker", "spread", "impact"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"{name} is a fraction from 0 to below 1, not {getattr(self, name)}")
        if self.taking_cost + self.impact >= 1:
            raise DataError(
                f"slippage, half the spread and impact must stay below 1, not {self.taking_cost + self.impact}"
            )
        if self.latency < timedelta():
            raise DataError(f"latency is a time from 0 on, not {self.latency}")

    @property
    def taking_cost(self) -> Decimal:
        """What any order that takes is moved against us: slippage and half the spread."""
        return self.slippage + self.spread / 2

    @property
    def has_third_asset(self) -> bool:
        """Whether fees are taken in an asset of their own."""
        return self.fee_asset not in {RECEIVED, QUOTE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order as the exchange receives it.

    A MARKET order may name ``quote_quantity``, the quote to spend or to earn, in place of ``quantity``; once
    accepted its ``quantity`` is what that buys, rounded down to the lot.
    """

    client_order_id: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal = ZERO
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    quote_quantity: Decimal | None = None

    @property
    def may_rest(self) -> bool:
        """Whether what does not fill on arrival stays: GTC, and not MARKET."""
        return self.time_in_force is GTC and self.order_type is not MARKET


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The exchange's own error code and text; nothing has changed.

    A value, not an exception: a refused order is an everyday answer. Codes and texts are Binance's, see
    :mod:`tidemill.matching.filters`.
    """

    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SimTrade:
    """One execution; ids count up from 1 over all accounts.

    ``price`` is after slippage, ``fee`` a quantity of ``fee_asset``. ``market_time`` is the clock of the data,
    ``wall_time`` that of the wall: what an exchange would report.
    """

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
    """One order with all that has become of it so far. A cancel replaces ``client_order_id``."""

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
    """False for a stop order whose stop has not been reached."""

    @property
    def rest(self) -> Decimal:
        """What may still fill."""
        return self.ticket.quantity - self.filled
