"""One decision, thought once: from what is known to what is to be asked of the venue, nothing stored or sent.

The flow `trade`, the exact backtest, `rerun` and a halt all call :func:`think`, so they cannot differ in anything
but the steps that they bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pandas as pd

from tidemill.decision.market import MarketView
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import Dropped, Forecast
from tidemill.execution.order_plan import DecisionKey, OrderPlan
from tidemill.forecasting import FeatureRows, Forecasts
from tidemill.ports import FittedModel
from tidemill.risk import Approved
from tidemill.sizing import Sizing

FeatureTable = pd.DataFrame | FeatureRows
"""The feature rows of one decision, by instrument: a frame, or rows cut from a table made earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionInputs:
    """Everything that a decision is made of.

    ``champion`` is None while there is none, and for a strategy that asks no model. ``stopped`` maps the scope of
    each freeze (an instrument, an account, or ``*``) to its reason.
    """

    key: DecisionKey
    market: MarketView
    champion: FittedModel | None
    portfolio: Portfolio
    stopped: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A decision as it was thought, before it is recorded."""

    market: MarketView
    table: FeatureTable
    champion: FittedModel | None
    forecasts: Forecasts
    portfolio: Portfolio
    sizing: Sizing
    approved: Approved
    plan: OrderPlan

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """Wishes that became no order, dust and buffer alike."""
        return (*self.sizing.unchanged, *self.plan.dropped)

    def forecast(self, instrument: str) -> Forecast | None:
        """The forecast of one instrument, or None."""
        return next((forecast for forecast in self.forecasts.forecasts if forecast.instrument == instrument), None)


class Steps(Protocol):
    """Steps 5 to 11 of a decision. None of them stores or sends anything.

    A module of tasks fills it for the flow, so that each step is seen and tried again by itself;
    :class:`~tidemill.decision.steps.PlainSteps` are plain functions. Each step takes what it needs and no more,
    since the arguments of a task are gone through by the server's client.
    """

    def build_features(self, as_of: datetime, market: MarketView) -> FeatureTable:
        """Step 5: feature rows by instrument, without the instruments of which too much is missing."""
        ...

    def make_forecasts(
        self,
        as_of: datetime,
        table: FeatureTable,
        champion: FittedModel | None,
        market: MarketView,
        portfolio: Portfolio,
    ) -> Forecasts:
        """Step 7: the strategy is asked; StrategyError when it fails or gives what cannot be used."""
        ...

    def size_positions(self, forecasts: Forecasts, portfolio: Portfolio, market: MarketView) -> Sizing:
        """Step 9: target positions in base units; instruments without a forecast keep what they hold."""
        ...

    def apply_limits(
        self, sizing: Sizing, portfolio: Portfolio, market: MarketView, stopped: Mapping[str, str]
    ) -> Approved:
        """Step 10: what the limits leave of the targets, and each refusal with its reason."""
        ...

    def plan_orders(self, key: DecisionKey, approved: Approved, portfolio: Portfolio) -> OrderPlan:
        """Step 11: intents, sells before buys."""
        ...


def think(steps: Steps, inputs: DecisionInputs) -> Draft:
    """Steps 5 to 11 in their order: the one place where a decision is put together.

    Raises StrategyError when the strategy fails, DataError when the champion's features are not made here.
    """
    key, market, portfolio = inputs.key, inputs.market, inputs.portfolio
    table = steps.build_features(key.as_of, market)
    forecasts = steps.make_forecasts(key.as_of, table, inputs.champion, market, portfolio)
    sizing = steps.size_positions(forecasts, portfolio, market)
    approved = steps.apply_limits(sizing, portfolio, market, inputs.stopped)
    return Draft(
        market=market,
        table=table,
        champion=inputs.champion,
        forecasts=forecasts,
        portfolio=portfolio,
        sizing=sizing,
        approved=approved,
        plan=steps.plan_orders(key, approved, portfolio),
    )
