"""What trading cost, by cause.

Money throughout is Decimal, in account currency, and above 0 when it was paid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Fill, Side
from tidemill.performance.json_values import json_money
from tidemill.performance.positions import movements_of
from tidemill.performance.record import DecidedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Money in account currency, above 0 a cost, below 0 a gain.

    ``fees`` were paid to the venue. ``shortfall`` is what the fills were worse than the close that was decided on
    (implementation shortfall, A. F. Perold, Journal of Portfolio Management 14, 1988); of it ``slippage`` is the
    modelled half-spread and slippage, None where it is not recorded, and ``drift`` the rest: how the
    market moved until the fill, and rounding to the price step. ``funding`` was paid on held positions at their
    settlements (below 0: received), 0 on spot.
    ``unexplained_fills`` have no decided close and are not in the shortfall.
    """

    fees: Decimal
    shortfall: Decimal
    slippage: Decimal | None
    funding: Decimal
    traded: Decimal
    unexplained_fills: int

    @property
    def drift(self) -> Decimal | None:
        """Shortfall without slippage, None where slippage is not recorded."""
        return None if self.slippage is None else self.shortfall - self.slippage

    @property
    def total(self) -> Decimal:
        """Fees, shortfall and funding."""
        return self.fees + self.shortfall + self.funding

    def to_json(self) -> dict[str, Any]:
        """Each as a decimal string, null where it is not recorded."""
        return {
            "fees": json_money(self.fees),
            "shortfall": json_money(self.shortfall),
            "slippage": None if self.slippage is None else json_money(self.slippage),
            "drift": None if self.drift is None else json_money(self.drift),
            "funding": json_money(self.funding),
            "total": json_money(self.total),
            "traded": json_money(self.traded),
            "unexplained_fills": self.unexplained_fills,
        }


def attribute_costs(
    fills: Sequence[Fill],
    orders: Sequence[DecidedOrder],
    *,
    slippage_rate: Decimal | None = None,
    funding: Decimal = ZERO,
) -> Costs:
    """Costs of ``fills``; the decided close is that of each fill's order.

    ``slippage_rate`` is the modelled fraction of price that each fill was moved against us: a buy at p pays
    p * rate / (1 + rate) for it, a sell p * rate / (1 - rate). Every fill counts as taking, as all of our default
    orders do; a resting order that filled at its limit would be told too dear, with as much less drift.
    None: not modelled, not recorded.
    """
    # an id is the venue's own and may be used by two instruments
    prices = {(order.venue_order_id, order.instrument): order.price for order in orders}
    decided = [(fill, prices.get((fill.venue_order_id, fill.instrument))) for fill in fills]
    return Costs(
        fees=sum((movements_of(fill)[2] for fill in fills), ZERO),
        shortfall=sum((_fell_short(fill, price) for fill, price in decided if price is not None), ZERO),
        slippage=None if slippage_rate is None else sum((_slipped(fill, slippage_rate) for fill in fills), ZERO),
        funding=funding,
        traded=sum((fill.price * fill.quantity for fill in fills), ZERO),
        unexplained_fills=sum(price is None for _, price in decided),
    )


def _fell_short(fill: Fill, decided: Decimal) -> Decimal:
    """What the fill was worse than the decided close, money."""
    return (fill.price - decided) * fill.quantity * (1 if fill.side is Side.BUY else -1)


def _slipped(fill: Fill, rate: Decimal) -> Decimal:
    """The part of a fill's price that is slippage: the price has the rate in it already, hence the division."""
    moved = 1 + rate if fill.side is Side.BUY else 1 - rate
    return fill.price * fill.quantity * rate / moved
