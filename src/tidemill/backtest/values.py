"""What a backtest is asked, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from tidemill.decision import DecisionRules, Environment
from tidemill.domain.market import InstrumentId, format_time
from tidemill.domain.portfolio import ZERO, Portfolio, drawdown
from tidemill.domain.trading import Decision, Fill, LedgerOrder
from tidemill.matching import FillRules
from tidemill.quality import OutlierRules
from tidemill.reports import add_counts, count_orders
from tidemill.training import TrainingParams


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestPlan:
    """What to run: rules as for live, fills as at the paper venue, and how a model is trained on the way.

    ``opening`` is the portfolio to begin with, as an earlier backtest closed with; None: ``start_cash``.
    """

    rules: DecisionRules
    fills: FillRules
    start: datetime
    end: datetime
    start_cash: Decimal
    training: TrainingParams
    retrain_every_days: float
    window_days: int
    promotion: Literal["proven", "paper"]
    quote_fee_rate: Decimal
    environment: Environment
    outliers: OutlierRules = field(default_factory=OutlierRules)
    opening: Portfolio | None = None

    @property
    def opening_balances(self) -> dict[str, Decimal]:
        """What the account begins with, by asset."""
        if self.opening is not None:
            return {asset: quantity for asset, quantity in self.opening.assets.items() if quantity}
        return {self.rules.instruments[self.rules.universe[0]].quote: self.start_cash}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Funding of one held position: ``paid`` in quote, below 0 received; without a ``mark`` none was settled."""

    instrument: str
    settled_at: datetime
    quantity: Decimal
    rate: Decimal
    mark: Decimal | None
    paid: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """Everything that happened, in memory. ``equity`` has one mark per point and the final one.

    ``passed`` counts points at which nothing was to be decided, so that there is no decision of them.
    ``posts`` and ``scores`` came to be known while it ran; what was there at its first decision is not among them.
    ``settlements`` are the funding of what was held, in order of time.
    """

    decisions: tuple[Decision, ...]
    orders: tuple[LedgerOrder, ...]
    fills: tuple[Fill, ...]
    equity: tuple[tuple[datetime, Decimal], ...]
    fees: Decimal
    closing: Portfolio
    passed: int = 0
    posts: int = 0
    scores: int = 0
    settlements: tuple[Settlement, ...] = ()

    @property
    def funding(self) -> Decimal:
        """Funding paid, less what was received, in quote units."""
        return sum((settlement.paid for settlement in self.settlements), ZERO)

    @property
    def unsettled(self) -> tuple[Settlement, ...]:
        """Settlements of held positions that had no bar before them to be valued at."""
        return tuple(settlement for settlement in self.settlements if settlement.mark is None)

    @property
    def max_drawdown(self) -> Decimal:
        """Largest 1 - equity/peak over the marks."""
        peak = worst = ZERO
        for _, value in self.equity:
            peak = max(peak, value)
            worst = max(worst, drawdown(value, peak))
        return worst

    def to_json(self, strategy: str) -> dict[str, Any]:
        """The summary as JSON-ready values, money as decimal strings."""
        return {
            "steps": len(self.decisions) + self.passed,
            "posts": self.posts,
            "scores": self.scores,
            "strategy": strategy,
            "model": _model_in_use(self.decisions),
            **_count_records(self.decisions),
            "orders": count_orders(self.orders),
            "fees": str(self.fees),
            "funding": str(self.funding),
            "funding_unsettled": [
                {"instrument": settlement.instrument, "event_time": format_time(settlement.settled_at)}
                for settlement in self.unsettled
            ],
            "equity_start": str(self.equity[0][1]),
            "equity_end": str(self.equity[-1][1]),
            "max_drawdown": str(self.max_drawdown),
            "refusals": [
                {"as_of": format_time(decision.as_of), "reason": decision.reason}
                for decision in self.decisions
                if decision.outcome == "refused"
            ],
        }


def _model_in_use(decisions: Sequence[Decision]) -> Mapping[str, str] | None:
    """Model or rule of the last decision that was no refusal."""
    last = next((decision for decision in reversed(decisions) if decision.outcome == "decided"), None)
    if last is None:
        return None
    model: Mapping[str, str] = last.record["model"] or {"name": last.model, "version": "", "verdict": "rule"}
    return model


def _count_records(decisions: Sequence[Decision]) -> dict[str, int]:
    """Forecasts, vetoes and drops over all decisions; nothing at all without any."""
    totals: dict[str, int] = {}
    for decision in decisions:
        record = decision.record
        counts = {
            "forecasts": len(record.get("forecasts", ())),
            "vetoed": len(record.get("vetoes", ())),
            "dropped": len(record.get("dropped", ())),
        }
        totals = add_counts(totals, counts)
    return totals


def fees_in_currency(fills: Sequence[Fill]) -> Decimal:
    """Fees in quote units; a fee taken in another asset counts at its fill's price.

    Right for a fee taken in the base asset, which is what venues of spot do where it is not the quote.
    """
    total = ZERO
    for fill in fills:
        in_quote = fill.fee_asset == InstrumentId(fill.instrument).quote
        total += fill.fee if in_quote else fill.fee * fill.price
    return total
