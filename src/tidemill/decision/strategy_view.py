"""What a strategy is shown in one decision: what was known, and nothing else."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import pandas as pd

from tidemill.decision.market import MarketView, window_start
from tidemill.decision.rules import DecisionRules, mark_equity
from tidemill.domain.portfolio import Portfolio
from tidemill.forecasting import FeatureRows, Holdings, View, as_rows
from tidemill.ports import FittedModel
from tidemill.ports.frames import OHLCV

BAR_FIELDS = ("instrument", "open_time", *OHLCV)


def make_view(
    rules: DecisionRules,
    as_of: datetime,
    table: pd.DataFrame | FeatureRows,
    *,
    champion: FittedModel | None,
    market: MarketView,
    portfolio: Portfolio,
) -> View:
    """The view of one decision; its frame of bars is cut only when the strategy asks for it."""
    return View(
        as_of=as_of,
        grid=rules.grid,
        rows=as_rows(table),
        prices=market.prices,
        portfolio=view_holdings(rules, portfolio, market),
        champion=champion,
        load_bars=partial(_visible_bars, rules, as_of, market),
    )


def view_holdings(rules: DecisionRules, portfolio: Portfolio, market: MarketView) -> Holdings:
    """The portfolio as a strategy sees it: nothing that differs between ledgers that hold the same."""
    return Holdings(
        currency=portfolio.currency,
        cash=portfolio.quantity(portfolio.currency),
        equity=mark_equity(rules, portfolio, market.prices),
        held={name: portfolio.quantity(rules.instruments[name].base) for name in rules.universe},
    )


def _visible_bars(rules: DecisionRules, as_of: datetime, market: MarketView) -> pd.DataFrame:
    """The bars that a decision may see, without what tells one store from another."""
    bars = market.history() if market.history else market.bars
    point = rules.grid.point_of(as_of)
    opens = bars["open_time"]
    inside = (opens >= pd.Timestamp(window_start(rules.grid, point))) & (opens < pd.Timestamp(point))
    return bars.loc[inside, list(BAR_FIELDS)].reset_index(drop=True)
