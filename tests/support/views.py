"""Views for strategies, made for tests."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pandas as pd

from tidemill.domain.market import DecisionGrid
from tidemill.forecasting import Holdings, View, as_rows
from tidemill.ports import FittedModel


def make_view(table: pd.DataFrame, grid: DecisionGrid, point: datetime, champion: FittedModel | None = None) -> View:
    """A view of feature rows at one point; nothing is held."""
    return View(
        as_of=grid.as_of(point),
        grid=grid,
        rows=as_rows(table),
        prices={str(name): Decimal(repr(float(close))) for name, close in table["close"].items()},
        portfolio=Holdings(currency="USD", cash=Decimal(1000), equity=Decimal(1000), held={}),
        champion=champion,
        load_bars=pd.DataFrame,
    )
