"""One decision from what was known to what is to be asked of the venue: steps 5 to 11 in their order.

The flow `trade`, the exact backtest and `rerun` all go through these functions, so they cannot differ.
Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from tidemill.decision.forecasts import make_decision_forecasts
from tidemill.decision.market import MarketView
from tidemill.decision.rules import DecisionRules, mark_equity
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.domain.trading import Dropped, Forecast, TargetPosition
from tidemill.execution.order_plan import DecisionKey, OrderPlan, plan_orders
from tidemill.features import build_features
from tidemill.forecasting import FeatureRows, Forecasts, as_rows
from tidemill.ports import FittedModel
from tidemill.risk import Approved, apply_limits
from tidemill.sizing import Sizing, hold_targets, size_positions


def build_table(rules: DecisionRules, as_of: datetime, market: MarketView) -> pd.DataFrame:
    """Step 5: the feature rows of this decision, by instrument."""
    point = rules.grid.point_of(as_of)
    table = build_features(market.bars, market.scores, grid=rules.grid, points=[point], universe=rules.universe)
    return without_incomplete(rows_at(table, point), market)


def without_incomplete(table: pd.DataFrame, market: MarketView) -> pd.DataFrame:
    """Feature rows but those of instruments of which too much is missing: they are not decided on."""
    return table[~table.index.isin(list(market.incomplete))] if market.incomplete else table


def _only_whole(rows: FeatureRows, market: MarketView) -> FeatureRows:
    """:func:`without_incomplete` for rows made earlier."""
    if not market.incomplete:
        return rows
    return rows.only(np.array([name not in market.incomplete for name in rows.names], dtype=bool))


def rows_at(table: pd.DataFrame, point: datetime) -> pd.DataFrame:
    """The rows of one point by instrument; empty when there are none."""
    when = pd.Timestamp(point)
    if when not in table.index.get_level_values("point"):
        return table.iloc[:0].droplevel("point")
    return pd.DataFrame(table.xs(when, level="point"))


def size_decision(rules: DecisionRules, forecasts: Forecasts, portfolio: Portfolio, market: MarketView) -> Sizing:
    """Step 9: target positions; instruments without a forecast keep what they hold.

    Where the strategy gave targets, these are taken as they are.
    """
    if forecasts.wanted is not None:
        return hold_targets(forecasts.wanted, instruments=rules.instruments, prices=market.prices)
    return size_positions(
        forecasts.forecasts,
        portfolio,
        instruments=rules.instruments,
        prices=market.prices,
        equity=mark_equity(rules, portfolio, market.prices),
        policy=rules.sizing,
    )


def limit_decision(
    rules: DecisionRules, sizing: Sizing, portfolio: Portfolio, market: MarketView, stopped: Mapping[str, str]
) -> Approved:
    """Step 10: limits applied; ``stopped`` holds frozen instruments with their reasons."""
    return apply_limits(
        sizing.targets,
        portfolio,
        instruments={name: rules.instruments[name] for name in rules.universe},
        prices=market.prices,
        volumes=market.volumes,
        equity=mark_equity(rules, portfolio, market.prices),
        limits=rules.limits,
        stopped=stopped,
    )


def plan_decision(rules: DecisionRules, key: DecisionKey, approved: Approved, portfolio: Portfolio) -> OrderPlan:
    """Step 11: intents, sells before buys."""
    return plan_orders(
        approved.targets,
        portfolio,
        instruments=rules.instruments,
        key=key,
        price_cap_fraction=rules.price_cap_fraction,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A decision as it was thought, before it is recorded."""

    market: MarketView
    table: pd.DataFrame | FeatureRows
    champion: FittedModel | None
    forecasts: Forecasts
    portfolio: Portfolio
    sizing: Sizing
    approved: Approved
    plan: OrderPlan

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """Wishes that became no order, dust and buffer alike."""
        return (*self.sizing.kept, *self.plan.dropped)

    def forecast(self, instrument: str) -> Forecast | None:
        """The forecast of one instrument, or None."""
        return next((one for one in self.forecasts.forecasts if one.instrument == instrument), None)


def draft_decision(
    rules: DecisionRules,
    key: DecisionKey,
    *,
    market: MarketView,
    champion: FittedModel | None,
    portfolio: Portfolio,
    stopped: Mapping[str, str],
    table: FeatureRows | None = None,
) -> Draft:
    """Steps 5 to 11 in one call. ``table`` may bring feature rows made earlier for many points at once."""
    rows = as_rows(build_table(rules, key.as_of, market)) if table is None else _only_whole(table, market)
    forecasts = make_decision_forecasts(rules, key.as_of, rows, champion, market=market, portfolio=portfolio)
    sizing = size_decision(rules, forecasts, portfolio, market)
    approved = limit_decision(rules, sizing, portfolio, market, stopped)
    plan = plan_decision(rules, key, approved, portfolio)
    return Draft(
        market=market,
        table=rows,
        champion=champion,
        forecasts=forecasts,
        portfolio=portfolio,
        sizing=sizing,
        approved=approved,
        plan=plan,
    )


def draft_flat(rules: DecisionRules, key: DecisionKey, *, market: MarketView, portfolio: Portfolio) -> Draft:
    """Hold nothing: every position that is held and has a price gets the target zero."""
    targets = tuple(
        TargetPosition(instrument=name, quantity=ZERO, price=price, reason="halt")
        for name, price in market.prices.items()
        if portfolio.quantity(rules.instruments[name].base) > 0
    )
    approved = Approved(targets=targets, vetoes=())
    return Draft(
        market=market,
        table=pd.DataFrame(),
        champion=None,
        forecasts=Forecasts(forecasts=(), without=()),
        portfolio=portfolio,
        sizing=Sizing(targets=targets, kept=()),
        approved=approved,
        plan=plan_decision(rules, key, approved, portfolio),
    )
