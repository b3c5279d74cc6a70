"""Step 7: the strategy is asked, and sees nothing but what was known."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import pandas as pd

from tidemill.decision.market import MarketView, window_start
from tidemill.decision.rules import DecisionRules, mark_equity, rule_in_use
from tidemill.domain.portfolio import Portfolio
from tidemill.forecasting import FeatureRows, Forecasts, Holdings, View, as_rows, find_shipped, make_forecasts
from tidemill.ports import FittedModel

BAR_FIELDS = ("instrument", "open_time", "open", "high", "low", "close", "volume")


def make_decision_forecasts(
    rules: DecisionRules,
    as_of: datetime,
    table: pd.DataFrame | FeatureRows,
    champion: FittedModel | None,
    *,
    market: MarketView,
    portfolio: Portfolio,
) -> Forecasts:
    """Step 7: the strategy is asked; ``trend`` stands in for ``model`` while there is no champion.

    StrategyError when it fails or gives what cannot be used.
    """
    strategy = rules.own or find_shipped(rule_in_use(rules.strategy, champion))
    view = View(
        as_of=as_of,
        grid=rules.grid,
        rows=as_rows(table),
        prices=market.prices,
        portfolio=view_holdings(rules, portfolio, market),
        champion=champion,
        load_bars=partial(_seen_bars, rules, as_of, market),
    )
    return make_forecasts(strategy, view)


def view_holdings(rules: DecisionRules, portfolio: Portfolio, market: MarketView) -> Holdings:
    """The portfolio as a strategy sees it: nothing that differs between ledgers that hold the same."""
    return Holdings(
        currency=portfolio.currency,
        cash=portfolio.quantity(portfolio.currency),
        equity=mark_equity(rules, portfolio, market.prices),
        held={name: portfolio.quantity(rules.instruments[name].base) for name in rules.universe},
    )


def _seen_bars(rules: DecisionRules, as_of: datetime, market: MarketView) -> pd.DataFrame:
    """The bars that a decision may see, without what tells one store from another."""
    bars = market.history() if market.history else market.bars
    point = rules.grid.point_of(as_of)
    opens = bars["open_time"]
    inside = (opens >= pd.Timestamp(window_start(rules.grid, point))) & (opens < pd.Timestamp(point))
    return bars.loc[inside, list(BAR_FIELDS)].reset_index(drop=True)
