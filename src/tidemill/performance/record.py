"""What is measured: the record of a run, be it a backtest, a replay or an account.

The only way in: whatever can say its marks, fills and decided orders is measured alike, and so can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.domain.market import timeframe_seconds
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Decision, Fill, LedgerOrder

BAR_COLUMNS = ("instrument", "open_time", "close", "volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedOrder:
    """An order beside the bar that was decided on: its close and its volume, None where that is not recorded.

    ``cut`` is what the limit on an order's share of that volume took from it; ``capped`` that it took something.
    """

    venue_order_id: str | None
    instrument: str
    quantity: Decimal
    price: Decimal | None
    volume: Decimal | None
    cut: Decimal = ZERO
    capped: bool = False


def decided_orders(orders: Iterable[LedgerOrder], decisions: Iterable[Decision]) -> list[DecidedOrder]:
    """The orders of a ledger beside the records of their decisions, in the order of ``orders``.

    Price and volume are those of the bar decided on, as the record of the decision has them; None where the decision
    is not among ``decisions`` or did not record them.
    """
    records = {decision.decision_id: decision.record for decision in decisions}
    decided = []
    for order in orders:
        record, name = records.get(order.intent.decision_id, {}), order.intent.instrument
        price, volume = (record.get(field, {}).get(name) for field in ("prices", "volumes"))
        decided.append(
            DecidedOrder(
                venue_order_id=order.venue_order_id,
                instrument=name,
                quantity=order.quantity,
                price=None if price is None else Decimal(price),
                volume=None if volume is None else Decimal(volume),
                cut=_cut(record, name),
            )
        )
    return decided


def _cut(record: Mapping[str, Any], instrument: str) -> Decimal:
    """What the limit on volume took from a target, where no other limit took more."""
    # the tightest limit decides what is allowed: where another took more, the limit on volume took nothing
    vetoes = [veto for veto in record.get("vetoes", ()) if veto["instrument"] == instrument]
    approved = [target["quantity"] for target in record.get("approved", ()) if target["instrument"] == instrument]
    volume_vetoes = [veto for veto in vetoes if veto["limit"] == "volume" and veto["allowed"] in approved]
    return sum((abs(Decimal(veto["wanted"]) - Decimal(veto["allowed"])) for veto in volume_vetoes), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunRecord:
    """Everything that performance is measured from.

    ``equity`` are the marks, one per decision and a last one, in ``currency``, or the curve made of them; ``bars``
    hold instrument, open_time, close and volume of ``timeframe`` up to the last mark. ``slippage_rate`` is what fills
    were moved against us, None where that is not recorded; ``cost_rate`` is what the benchmark pays to buy (fee and
    slippage). ``funding`` was paid on held positions (below 0: received), ``unsettled`` counts settlements that had no
    bar to be valued at. A year has ``days_per_year`` trading days: 365 for what always trades, 252 for sessions.
    ``trial_sharpes`` are the annual Sharpe ratios of all distinct trials on the same data, this run's included, None
    where not comparable. DataError for an unknown timeframe, no instruments, or bars without those columns.
    """

    strategy: str
    currency: str
    equity: Sequence[tuple[datetime, Decimal]] | pd.Series[float]
    fills: Sequence[Fill]
    orders: Sequence[DecidedOrder]
    instruments: tuple[str, ...]
    bars: pd.DataFrame
    timeframe: str
    days_per_year: float = 365.0
    slippage_rate: Decimal | None = None
    cost_rate: Decimal = ZERO
    funding: Decimal = ZERO
    unsettled: int = 0
    trial_sharpes: Sequence[float | None] = field(default=())

    def __post_init__(self) -> None:
        timeframe_seconds(self.timeframe)
        if not self.instruments:
            raise DataError("a run without instruments cannot be measured; name its universe")
        missing = [name for name in BAR_COLUMNS if name not in self.bars.columns]
        if missing:
            raise DataError(f"the bars of the run lack the column {missing[0]}; they need {', '.join(BAR_COLUMNS)}")

    @property
    def bar_seconds(self) -> int:
        """Length of a bar."""
        return timeframe_seconds(self.timeframe)
