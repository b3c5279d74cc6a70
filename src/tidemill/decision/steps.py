"""The steps of a decision as plain functions of its rules. Everything here is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from tidemill import features, forecasting, risk, sizing
from tidemill.decision.draft import FeatureTable
from tidemill.decision.market import MarketView
from tidemill.decision.rules import DecisionRules, mark_equity, rule_in_use
from tidemill.decision.strategy_view import make_view
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.domain.trading import TargetPosition
from tidemill.execution import order_plan
from tidemill.execution.order_plan import DecisionKey, OrderPlan
from tidemill.forecasting import FeatureRows, Forecasts
from tidemill.ports import FittedModel
from tidemill.risk import Approved
from tidemill.sizing import Sizing


@dataclass(frozen=True, slots=True)
class PlainSteps:
    """The steps by the stages' own functions, under ``rules``: the meaning of every other kind of steps."""

    rules: DecisionRules

    def build_features(self, as_of: datetime, market: MarketView) -> FeatureTable:
        """Step 5, made from the bars and scores of ``market``."""
        grid = self.rules.grid
        point = grid.point_of(as_of)
        table = features.build_features(
            market.bars, market.scores, grid=grid, points=[point], universe=self.rules.universe
        )
        return without_incomplete(rows_at(table, point), market)

    def make_forecasts(
        self,
        as_of: datetime,
        table: FeatureTable,
        champion: FittedModel | None,
        market: MarketView,
        portfolio: Portfolio,
    ) -> Forecasts:
        """Step 7; ``trend`` stands in for ``model`` while there is no champion."""
        rules = self.rules
        strategy = rules.own or forecasting.find_shipped(rule_in_use(rules.strategy, champion))
        view = make_view(rules, as_of, table, champion=champion, market=market, portfolio=portfolio)
        return forecasting.make_forecasts(strategy, view)

    def size_positions(self, forecasts: Forecasts, portfolio: Portfolio, market: MarketView) -> Sizing:
        """Step 9; where the strategy gave targets, these are taken as they are."""
        rules = self.rules
        if forecasts.targets is not None:
            return sizing.hold_targets(forecasts.targets, instruments=rules.instruments, prices=market.prices)
        return sizing.size_positions(
            forecasts.forecasts,
            portfolio,
            instruments=rules.instruments,
            prices=market.prices,
            equity=mark_equity(rules, portfolio, market.prices),
            policy=rules.sizing,
        )

    def apply_limits(
        self, sizing: Sizing, portfolio: Portfolio, market: MarketView, stopped: Mapping[str, str]
    ) -> Approved:
        """Step 10; ``stopped`` holds frozen instruments with their reasons."""
        rules = self.rules
        return risk.apply_limits(
            sizing.targets,
            portfolio,
            instruments={name: rules.instruments[name] for name in rules.universe},
            prices=market.prices,
            volumes=market.volumes,
            equity=mark_equity(rules, portfolio, market.prices),
            limits=rules.limits,
            stopped=stopped,
        )

    def plan_orders(self, key: DecisionKey, approved: Approved, portfolio: Portfolio) -> OrderPlan:
        """Step 11."""
        return order_plan.plan_orders(
            approved.targets,
            portfolio,
            instruments=self.rules.instruments,
            key=key,
            price_cap_fraction=self.rules.price_cap_fraction,
        )


@dataclass(frozen=True, slots=True)
class FlatSteps(PlainSteps):
    """Hold nothing: every position that is held and has a price gets the target zero, whatever the limits say."""

    def build_features(self, as_of: datetime, market: MarketView) -> FeatureTable:
        """No rows: nothing is forecast."""
        del as_of, market
        return pd.DataFrame()

    def make_forecasts(
        self,
        as_of: datetime,
        table: FeatureTable,
        champion: FittedModel | None,
        market: MarketView,
        portfolio: Portfolio,
    ) -> Forecasts:
        """None."""
        del as_of, table, champion, market, portfolio
        return Forecasts(forecasts=(), without=())

    def size_positions(self, forecasts: Forecasts, portfolio: Portfolio, market: MarketView) -> Sizing:
        """Zero of everything held."""
        del forecasts
        targets = tuple(
            TargetPosition(instrument=name, quantity=ZERO, price=price, reason="halt")
            for name, price in market.prices.items()
            if portfolio.quantity(self.rules.instruments[name].base) > 0
        )
        return Sizing(targets=targets, unchanged=())

    def apply_limits(
        self, sizing: Sizing, portfolio: Portfolio, market: MarketView, stopped: Mapping[str, str]
    ) -> Approved:
        """All of it: what only reduces is never held back."""
        del portfolio, market, stopped
        return Approved(targets=sizing.targets, vetoes=())


def without_incomplete(table: pd.DataFrame, market: MarketView) -> pd.DataFrame:
    """Feature rows but those of instruments of which too much is missing: they are not decided on.

    ``table`` is indexed by instrument; it is given back as it is when nothing is missing.
    """
    return table[~table.index.isin(list(market.incomplete))] if market.incomplete else table


def only_complete(rows: FeatureRows, market: MarketView) -> FeatureRows:
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
