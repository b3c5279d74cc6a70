"""What the kernels did as fills and orders, so that a fast run is measured by the same functions as any other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import numpy as np

from tidemill.domain.market import split_instrument_id
from tidemill.domain.trading import Fill, Side
from tidemill.kernels import Trail
from tidemill.performance import DecidedOrder

# a capped order is rounded toward zero to its lot
NEARLY = 0.99


def make_trades(
    trail: Trail,
    moments: Sequence[datetime],
    names: Sequence[str],
    *,
    prices: np.ndarray,
    volumes: np.ndarray,
    fee_in_quote: bool,
    max_volume_fraction: float = math.inf,
) -> tuple[list[Fill], list[DecidedOrder]]:
    """Fills and orders of ``trail``, in the order of its rows, then of its columns.

    ``moments`` (R,) are when orders were sent, ``prices`` and ``volumes`` (R, S) the bars decided on (a volume of
    infinity: not known). An order at ``max_volume_fraction`` of it was capped there. Quantities and money are the
    shortest decimals of their floats.
    """
    rows, columns = np.nonzero(trail.sent)
    parts = (trail.sent, trail.filled, trail.price, trail.fee, prices, volumes)
    numbers = [_numbers(values[rows, columns]) for values in parts]
    assets = [split_instrument_id(name)[:2] for name in names]
    fills, orders = [], []
    places = enumerate(zip(rows.tolist(), columns.tolist(), *numbers, strict=True), start=1)
    for number, (row, column, sent, filled, price, fee, decided, volume) in places:
        name, (base, quote), order_id = names[column], assets[column], str(number)
        recorded_volume = volume if volume.is_finite() else None
        largest = math.inf if recorded_volume is None else NEARLY * max_volume_fraction * float(recorded_volume)
        orders.append(
            DecidedOrder(
                venue_order_id=order_id,
                instrument=name,
                quantity=abs(sent),
                price=decided,
                volume=recorded_volume,
                capped=float(abs(sent)) > largest,
            )
        )
        if filled:
            in_base = filled > 0 and not fee_in_quote
            fills.append(
                Fill(
                    trade_id=order_id,
                    venue_order_id=order_id,
                    instrument=name,
                    side=Side.BUY if filled > 0 else Side.SELL,
                    price=price,
                    quantity=abs(filled),
                    fee=fee / price if in_base else fee,
                    fee_asset=base if in_base else quote,
                    traded_at=moments[row],
                )
            )
    return fills, orders


def _numbers(values: np.ndarray) -> list[Decimal]:
    return [Decimal(repr(value)) for value in values.tolist()]
