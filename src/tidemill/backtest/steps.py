"""The steps of a decision in a backtest: those of every decision, on feature rows made before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tidemill.backtest.tracks import Rows
from tidemill.decision import FeatureTable, MarketView, PlainSteps, only_complete


@dataclass(frozen=True, slots=True)
class BacktestSteps(PlainSteps):
    """Step 5 looks the rows up: ``rows`` were made for all points in one call, which gives the same bits."""

    rows: Rows

    def build_features(self, as_of: datetime, market: MarketView) -> FeatureTable:
        """The rows of the point that ``as_of`` decides, which is known to be on the grid."""
        return only_complete(self.rows.at(as_of - self.rules.grid.delay), market)
