"""What a strategy is given, what it gives back, and nothing else: no store, no clock, no venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import pandas as pd

from tidemill.domain.market import DecisionGrid
from tidemill.forecasting.rows import FeatureRows
from tidemill.ports import FittedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What the account holds: ``cash`` and ``equity`` in ``currency``, ``held`` base units by instrument."""

    currency: str
    cash: Decimal
    equity: Decimal
    held: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that a strategy may look at in one decision: what was known at ``as_of``.

    ``features`` (of ``rows``): float64 rows by instrument with the columns of FEATURE_NAMES and ``close``, ``volume``,
    ``bars_known``; only instruments of which all features that the strategy needs are known (others may be
    NaN). ``prices``: decided closes in quote units. ``champion``: the model in use, for the strategy `model`.
    """

    as_of: datetime
    grid: DecisionGrid
    rows: FeatureRows
    prices: Mapping[str, Decimal]
    portfolio: Holdings
    champion: FittedModel | None
    load_bars: Callable[[], pd.DataFrame]

    @property
    def features(self) -> pd.DataFrame:
        """The rows as a frame, made when it is first asked for."""
        return self.rows.frame

    @property
    def bars(self) -> pd.DataFrame:
        """Bars of the longest feature window: instrument, open_time, open, high, low, close, volume, ascending."""
        return self.load_bars()


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Positions wanted instead of forecasts: base units by instrument. What is not named keeps its position."""

    quantities: Mapping[str, Decimal]


Wish = Mapping[str, float] | pd.Series | Targets
"""Strength in [-1, +1] by instrument, or :class:`Targets`."""


class Strategy(Protocol):
    """A rule that turns what is known into forecasts or targets.

    The same view must always give the same answer: a decision is run again from stored inputs, and the
    backtest makes it in another process than the trade flow.
    """

    @property
    def name(self) -> str:
        """The name that decisions are recorded under."""
        ...

    @property
    def code_hash(self) -> str:
        """SHA-256 of the file it was read from; empty for what ships, which the version tells."""
        ...

    @property
    def source(self) -> str:
        """The text of that file; empty for what ships."""
        ...

    def needs(self, grid: DecisionGrid, champion: FittedModel | None) -> Sequence[str]:
        """Features without which an instrument gets no forecast."""
        ...

    def horizon_bars(self, grid: DecisionGrid, champion: FittedModel | None) -> int:
        """How many bars ahead its forecasts look."""
        ...

    def decide(self, view: View) -> Wish:
        """Forecasts or targets for the instruments of ``view.features``; one that is left out gets none."""
        ...
