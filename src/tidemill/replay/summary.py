"""What a replay comes to: ledger against venue, equity, order counts, the lineage of one order."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tidemill.backtest import fees_in_currency
from tidemill.bootstrap import Services
from tidemill.decision import mark_equity, view_market
from tidemill.domain.market import EPOCH, timeframe_seconds
from tidemill.domain.portfolio import ZERO, drawdown
from tidemill.lineage import explain
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
    return total + len(orders ^ venue_orders) + len(fills ^ venue_fills)


def final_equity(services: Services, plan: ReplayPlan) -> Decimal:
    """Equity at the last bar closed at or before the end of the traded part."""
    rules = services.trading.rules
    length = timedelta(seconds=timeframe_seconds(plan.grid.timeframe))
    bars = plan.recording.as_bars(None, plan.recording.first_open, plan.end - length + timedelta(microseconds=1))
    last = bars.groupby("instrument").tail(1)
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


def one_lineage(services: Services) -> dict[str, Any]:
    """The lineage of the last filled order, or of nothing when none was filled."""
    account = services.settings.account
    filled = [order for order in services.stores.ledger.load_orders(account=account) if order.filled > 0]
    if not filled:
        return {}
    identity, stores = filled[-1].intent.intent_id, services.stores
    return explain(identity, ledger=stores.ledger, payloads=stores.market, account=account).to_json()


def make_summary(services: Services, plan: ReplayPlan, log: StepLog, *, seconds: float, ui: str) -> dict[str, Any]:
    """The object that ``demo --json`` writes; money as decimal strings."""
    account = services.settings.account
    end = final_equity(services, plan)
    start = services.settings.start_cash
    marks = [(plan.start, start), *log.equity, (plan.end, end)]
    return {
        "steps": len(plan.points),
        "seconds": round(seconds, 1),
        "bars": log.bars,
        "gaps": log.gaps,
        "posts": log.posts,
        "scores": log.scores,
        "model": traded_model(services),
        "strategy": plan.strategy,
        "forecasts": log.forecasts,
        "orders": count_orders(services.stores.ledger.load_orders(account=account)),
        "vetoed": log.vetoed,
        "dropped": log.dropped,
        "fees": str(fees_in_currency(services.stores.ledger.load_fills(account))),
        "currency": plan.recording.series[0].instrument.quote,
        "equity_start": str(start),
        "equity_end": str(end),
        "max_drawdown": f"{largest_drawdown(marks):.6f}",
        "ledger_venue_difference": format(ledger_venue_difference(services).normalize(), "f"),
        "refusals": log.refusals,
        "skipped_sources": log.skipped_sources,
        "trainings": log.trainings,
        "failures": log.failures,
        "ui": ui,
        "folder": str(plan.folder),
        "lineage": one_lineage(services),
    }


def why_no_fill(summary: dict[str, Any]) -> str:
    """One sentence when nothing was filled, empty otherwise."""
    orders = summary["orders"]
    if orders["filled"] or orders["partly_filled"]:
        return ""
    if summary["refusals"] and len(summary["refusals"]) == summary["steps"]:
        return f"Nothing was filled: every decision was refused, the last because: {summary['refusals'][-1]['reason']}."
    if not summary["forecasts"]:
        return "Nothing was filled: there was no forecast, for want of enough history before the traded part."
    if not orders["intended"]:
        return "Nothing was filled: no forecast asked for a change of position large enough to trade."
    return (
        f"Nothing was filled: of {orders['intended']} orders {orders['expired']} expired at their price cap, "
        f"{orders['rejected']} were rejected and {orders['not_placed']} were not placed."
    )
