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
    """What the account holds, before this decision changes anything.

    ``cash`` and ``equity`` are in ``currency``, equity at the decided closes; ``held`` has the base units of every
    instrument of the universe, 0 where nothing is held.
    """

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
    """Target positions instead of forecasts: base units by instrument, finite Decimals.

    Neither sizing nor the buffer touches them; limits do. What is not named keeps its position, and below 0 is 0 on
    spot.
    """

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
        """Names of the features without which an instrument gets no forecast.

        ``decide`` sees only instruments of which all of these are known, so it need not look for NaN in them.
        """
        ...

    def horizon_bars(self, grid: DecisionGrid, champion: FittedModel | None) -> int:
        """How many bars ahead its forecasts look, 1 or more.

        It is recorded with each forecast, and tells a reader what a forecast claims; sizing does not use it.
        """
        ...

    def decide(self, view: View) -> Wish:
        """Forecasts or targets for the instruments of ``view.features``; one that is left out gets none.

        A strength lies in [-1, +1]; NaN, infinity, a value beyond 1 or a name that is not in ``view.features`` ends the
        decision as a refusal with the reason, and so does an exception; a backtest ends with a StrategyError.
        """
        ...
