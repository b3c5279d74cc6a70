"""Fills become positions, closings and profit, to the last unit.

Average cost: each order that reduces a position realises the difference between what it brought and the average
that the reduced part had cost, fees included on both sides. A fee in base reduces the position, one in quote the
cash. So realised profit plus the value of what is held less its cost is exactly what the fills changed in equity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from tidemill.domain.errors import DataError
from tidemill.domain.market import split_instrument_id
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Fill, Side
from tidemill.performance.json_values import json_money


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """An order that reduced a position: what it closed, when, and its profit in quote, net of fees.

    ``quantity`` in base units is of all fills of the order that closed something, ``closed_at`` the time of the last of
    them.
    """

    instrument: str
    venue_order_id: str
    closed_at: datetime
    quantity: Decimal
    profit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentBook:
    """What the fills of one instrument add up to: money in quote, quantities in base.

    ``cost`` is what the open position of ``quantity`` has cost (negative for a short one); ``last_price`` is the
    price it is valued at. ``traded`` is the value of all fills, both sides.
    """

    instrument: str
    quantity: Decimal
    cost: Decimal
    realised: Decimal
    fees: Decimal
    traded: Decimal
    fills: int
    last_price: Decimal
    closings: tuple[Closing, ...]

    @property
    def unrealised(self) -> Decimal:
        """Value of the open position less its cost."""
        return self.quantity * self.last_price - self.cost

    @property
    def profit(self) -> Decimal:
        """Realised and unrealised, net of fees."""
        return self.realised + self.unrealised

    def to_json(self) -> dict[str, Any]:
        """Money as decimal strings; of the closings their number."""
        return {
            "instrument": self.instrument,
            "profit": json_money(self.profit),
            "realised": json_money(self.realised),
            "unrealised": json_money(self.unrealised),
            "fees": json_money(self.fees),
            "traded": json_money(self.traded),
            "fills": self.fills,
            "closed": len(self.closings),
        }


@dataclass(slots=True)
class _Line:
    """The book of one instrument while its fills are entered, one after another."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    traded: Decimal = ZERO
    fills: int = 0
    closings: dict[str, Closing] = field(default_factory=dict)

    def book(self, fill: Fill) -> None:
        change, cash, fee = movements_of(fill)
        self.fees += fee
        self.traded += fill.price * fill.quantity
        self.fills += 1
        if change == 0 or self.quantity * change >= 0:
            self.quantity += change
            self.cost -= cash
            return
        # a fill against the position closes at most all of it; what is left of the fill opens one the other way. The
        # whole is never divided: a closed position costs exactly nothing, whatever the digits of the average
        closed = min(abs(change), abs(self.quantity))
        cost_part = self.cost if closed == abs(self.quantity) else self.cost * closed / abs(self.quantity)
        cash_part = cash if closed == abs(change) else cash * closed / abs(change)
        self._close(fill, closed, cash_part - cost_part)
        self.quantity += change
        self.cost -= cost_part + (cash - cash_part)

    def _close(self, fill: Fill, closed: Decimal, profit: Decimal) -> None:
        self.realised += profit
        # an order may fill in parts: they close as one, or a large order would count as many trades
        earlier = self.closings.get(fill.venue_order_id)
        self.closings[fill.venue_order_id] = Closing(
            instrument=fill.instrument,
            venue_order_id=fill.venue_order_id,
            closed_at=fill.traded_at,
            quantity=closed + (earlier.quantity if earlier else ZERO),
            profit=profit + (earlier.profit if earlier else ZERO),
        )


def movements_of(fill: Fill) -> tuple[Decimal, Decimal, Decimal]:
    """What a fill changes: position in base, cash in quote, and its fee in quote (at the fill's price).

    DataError for a fee in a third asset, whose worth is not known here.
    """
    base, quote, _ = split_instrument_id(fill.instrument)
    sign = 1 if fill.side is Side.BUY else -1
    if fill.fee and fill.fee_asset not in {base, quote}:
        raise DataError(
            f"the fee of trade {fill.trade_id} of {fill.instrument} is in {fill.fee_asset}; "
            f"performance is told with fees in {base} or {quote}, set TIDEMILL_FEE_ASSET to received or quote"
        )
    in_base = fill.fee if fill.fee_asset == base else ZERO
    in_quote = fill.fee - in_base
    cash = -sign * fill.quantity * fill.price - in_quote
    return sign * fill.quantity - in_base, cash, in_base * fill.price + in_quote


def book_fills(fills: Sequence[Fill], prices: Mapping[str, Decimal]) -> tuple[InstrumentBook, ...]:
    """One book per instrument of ``prices`` (id -> last price in quote), in its order; ``fills`` in ledger order.

    DataError for a fill of an instrument without a price.
    """
    lines = {name: _Line() for name in prices}
    for fill in fills:
        if fill.instrument not in lines:
            raise DataError(f"{fill.instrument} was traded but has no price; give the last price of all instruments")
        lines[fill.instrument].book(fill)
    return tuple(
        InstrumentBook(
            instrument=name,
            quantity=line.quantity,
            cost=line.cost,
            realised=line.realised,
            fees=line.fees,
            traded=line.traded,
            fills=line.fills,
            last_price=prices[name],
            closings=tuple(line.closings.values()),
        )
        for name, line in lines.items()
    )


def hit_rate(profits: Sequence[Decimal]) -> float:
    """Share of closings with a profit above 0. NaN without closings.

    A fraction. A closing that came out at exactly 0 is no hit.
    """
    return sum(profit > 0 for profit in profits) / len(profits) if profits else math.nan


def profit_factor(profits: Sequence[Decimal]) -> float:
    """Sum of profits over sum of losses; infinite without a loss. NaN when there is neither.

    Of closings, net of fees on both sides; what is still open is in neither sum.
    """
    gained = sum((profit for profit in profits if profit > 0), ZERO)
    lost = -sum((profit for profit in profits if profit < 0), ZERO)
    if not lost:
        return math.inf if gained else math.nan
    return float(gained / lost)
