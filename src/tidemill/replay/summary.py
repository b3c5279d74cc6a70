"""What a replay comes to: ledger against venue, equity, order counts, the lineage of one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tidemill.backtest import fees_in_currency
from tidemill.bootstrap import Services
from tidemill.decision import mark_equity, view_market
from tidemill.domain.market import EPOCH, timeframe_seconds
from tidemill.domain.portfolio import ZERO, drawdown
from tidemill.lineage import Explanation, explain
from tidemill.replay.drive import StepLog
from tidemill.replay.plan import ReplayPlan
from tidemill.reports import count_orders


def ledger_venue_difference(services: Services) -> Decimal:
    """Distance of ledger and venue from the venue's own REST answers.

    Sum over assets of abs(ledger - (free + locked)), each in its own unit, plus 1 for each order or
    trade that only one side has.
    """
    account = services.settings.account
    portfolio = services.stores.ledger.load_portfolio(account)
    balances = services.trading.broker.fetch_balances()
    assets = set(portfolio.assets) | set(balances)
    total = sum(
        (abs(portfolio.quantity(asset) - (balances[asset].total if asset in balances else ZERO)) for asset in assets),
        ZERO,
    )
    orders = {
        order.venue_order_id for order in services.stores.ledger.load_orders(account=account) if order.venue_order_id
    }
    fills = {(fill.instrument, fill.trade_id) for fill in services.stores.ledger.load_fills(account)}
    venue_orders: set[str] = set()
    venue_fills: set[tuple[str, str]] = set()
    for name in services.settings.universe:
        venue_orders |= {order.venue_order_id for order in services.trading.broker.fetch_orders(name, EPOCH)}
        venue_fills |= {(name, fill.trade_id) for fill in services.trading.broker.fetch_fills(name, None)}
    # an order that only one side has may leave the balances equal, so it counts on its own
    return total + len(orders ^ venue_orders) + len(fills ^ venue_fills)


def final_equity(services: Services, plan: ReplayPlan) -> Decimal:
    """Equity at the last bar closed at or before the end of the traded part."""
    rules = services.trading.rules
    length = timedelta(seconds=timeframe_seconds(plan.grid.timeframe))
    bars = plan.recording.as_bars(None, plan.recording.first_open, plan.end - length + timedelta(microseconds=1))
    last = bars.groupby("instrument").tail(1)
    # no posts and no watermark: only prices are needed to value what is held
    view = view_market(rules, plan.end, last, last.iloc[:0], 0)
    return mark_equity(rules, services.stores.ledger.load_portfolio(rules.account), view.prices)


def largest_drawdown(marks: list[tuple[datetime, Decimal]]) -> Decimal:
    """Largest 1 - equity/peak over the marks."""
    peak = worst = ZERO
    for _, value in marks:
        peak = max(peak, value)
        worst = max(worst, drawdown(value, peak))
    return worst


def traded_model(services: Services) -> dict[str, str] | None:
    """What decided last: model with version and verdict, or the rule."""
    decisions = [
        decision
        for decision in services.stores.ledger.load_decisions(services.settings.account)
        if decision.outcome == "decided"
    ]
    if not decisions:
        return None
    last = decisions[-1]
    used = last.record["model"]
    if used is None:
        return {"name": last.record["rule"], "version": "", "verdict": "rule"}
    return {"name": used["name"], "version": used["version"], "verdict": used["verdict"]}


def newest_lineage(services: Services) -> Explanation | None:
    """The lineage of the last filled order; None when none was filled."""
    account = services.settings.account
    filled = [order for order in services.stores.ledger.load_orders(account=account) if order.filled > 0]
    if not filled:
        return None
    identity, stores = filled[-1].intent.intent_id, services.stores
    return explain(identity, ledger=stores.ledger, payloads=stores.market, account=account)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSummary:
    """What a replay came to.

    ``log`` is what its flows said, ``history`` the counts of what was imported before the first step. ``model`` has
    name, version and verdict of what decided last, None when nothing did. ``orders`` counts orders by what became of
    them. Money is in the account's currency; ``max_drawdown`` is a fraction of the peak, to six places; ``seconds``
    are wall time. ``lineage`` is that of the last filled order, None when none was filled.
    """

    plan: ReplayPlan
    log: StepLog
    history: Mapping[str, int]
    seconds: float
    ui: str
    model: Mapping[str, str] | None
    orders: Mapping[str, int]
    fees: Decimal
    equity_start: Decimal
    equity_end: Decimal
    max_drawdown: Decimal
    ledger_venue_difference: Decimal
    lineage: Explanation | None

    @property
    def currency(self) -> str:
        """What fees and equity are counted in."""
        return self.plan.recording.series[0].instrument.quote

    @property
    def plot(self) -> Path:
        """Where the picture of equity and positions is."""
        return self.plan.folder / "equity.png"

    @property
    def failed(self) -> bool:
        """Whether a step failed, or ledger and venue differ by anything."""
        return bool(self.log.failures) or self.ledger_venue_difference != 0

    def to_json(self) -> dict[str, Any]:
        """The object that ``demo --json`` writes; money as decimal strings."""
        log = self.log
        return {
            "steps": len(self.plan.points),
            "seconds": round(self.seconds, 1),
            **{name: getattr(log, name) for name in ("bars", "gaps", "posts", "scores")},
            "model": self.model,
            "strategy": self.plan.strategy,
            "forecasts": log.forecasts,
            "orders": dict(self.orders),
            "vetoed": log.vetoed,
            "dropped": log.dropped,
            "fees": str(self.fees),
            "currency": self.currency,
            "equity_start": str(self.equity_start),
            "equity_end": str(self.equity_end),
            "max_drawdown": f"{self.max_drawdown:f}",
            "ledger_venue_difference": format(self.ledger_venue_difference.normalize(), "f"),
            **{name: getattr(log, name) for name in ("refusals", "skipped_sources", "trainings", "failures")},
            "ui": self.ui,
            "folder": str(self.plan.folder),
            "lineage": self.lineage.to_json() if self.lineage else {},
            "history": dict(self.history),
            "plot": str(self.plot),
        }


def make_summary(
    services: Services, plan: ReplayPlan, log: StepLog, *, history: Mapping[str, int], seconds: float, ui: str
) -> DemoSummary:
    """Sum up a replay from its log, its ledger and the venue's own answers."""
    ledger, account = services.stores.ledger, services.settings.account
    end = final_equity(services, plan)
    start = services.settings.start_cash
    marks = [(plan.start, start), *log.equity, (plan.end, end)]
    return DemoSummary(
        plan=plan,
        log=log,
        history=history,
        seconds=seconds,
        ui=ui,
        model=traded_model(services),
        orders=count_orders(ledger.load_orders(account=account)),
        fees=fees_in_currency(ledger.load_fills(account)),
        equity_start=start,
        equity_end=end,
        max_drawdown=Decimal(f"{largest_drawdown(marks):.6f}"),
        ledger_venue_difference=ledger_venue_difference(services),
        lineage=newest_lineage(services),
    )


def why_no_fill(summary: DemoSummary) -> str:
    """One sentence when nothing was filled, empty otherwise."""
    orders, log = summary.orders, summary.log
    if orders["filled"] or orders["partly_filled"]:
        return ""
    if log.refusals and len(log.refusals) == len(summary.plan.points):
        return f"Nothing was filled: every decision was refused, the last because: {log.refusals[-1]['reason']}."
    if not log.forecasts:
        return "Nothing was filled: there was no forecast, for want of enough history before the traded part."
    if not orders["intended"]:
        return "Nothing was filled: no forecast asked for a change of position large enough to trade."
    return (
        f"Nothing was filled: of {orders['intended']} orders {orders['expired']} expired at their price cap, "
        f"{orders['rejected']} were rejected and {orders['not_placed']} were not placed."
    )
