"""What trading cost, by cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Fill, Side
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
    prices = {(order.venue_order_id, order.instrument): order.price for order in orders}
    shortfall = ZERO
    unexplained = 0
    for fill in fills:
        decided = prices.get((fill.venue_order_id, fill.instrument))
        if decided is None:
            unexplained += 1
            continue
        shortfall += (fill.price - decided) * fill.quantity * (1 if fill.side is Side.BUY else -1)
    return Costs(
        fees=sum((movements_of(fill)[2] for fill in fills), ZERO),
        shortfall=shortfall,
        slippage=None if slippage_rate is None else sum((_slipped(fill, slippage_rate) for fill in fills), ZERO),
        funding=funding,
        traded=sum((fill.price * fill.quantity for fill in fills), ZERO),
        unexplained_fills=unexplained,
    )


def _slipped(fill: Fill, rate: Decimal) -> Decimal:
    moved = 1 + rate if fill.side is Side.BUY else 1 - rate
    return fill.price * fill.quantity * rate / moved
