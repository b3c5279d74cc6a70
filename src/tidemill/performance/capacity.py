"""How much more money the market would have had room for.

A backtest fills orders against the bars there were. That is fair while they are a small share of a bar's volume; from
which capital on it is not, stands here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tidemill.performance import cautions
from tidemill.performance.figures import Capacity
from tidemill.performance.record import DecidedOrder


def volume_shares(orders: Sequence[DecidedOrder]) -> list[float]:
    """Each order, as large as it was meant to be, over the volume of the bar decided on; without one it is left out.

    Infinite for an order on a bar without volume.
    """
    sizes = [(order.quantity + order.cut, order.volume) for order in orders if order.volume is not None]
    return [float(quantity / volume) if volume else math.inf for quantity, volume in sizes]


def make_capacity(
    orders: Sequence[DecidedOrder], capital: float, fraction: float = cautions.DEFAULTS.volume_fraction
) -> Capacity:
    """What the ``orders`` of a start with ``capital`` say of how much more there could be.

    If every order grew with the capital, the largest would be ``fraction`` of its bar's volume at
    capital × fraction / its share. Bars without volume bound nothing and are left out of that.
    """
    shares = volume_shares(orders)
    largest = max((share for share in shares if math.isfinite(share)), default=math.nan)
    return Capacity(
        fraction=fraction,
        orders=len(shares),
        above=sum(share > fraction for share in shares),
        largest=max(shares, default=math.nan),
        capital=capital * fraction / largest if largest > 0 else math.nan,
        capped=any(order.capped for order in orders),
    )
