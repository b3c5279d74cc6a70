"""What all decisions of one account have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tidemill.domain.market import DecisionGrid, Instrument
from tidemill.domain.portfolio import Portfolio
from tidemill.execution.order_plan import DecisionKey
from tidemill.forecasting import Strategy
from tidemill.ports import FittedModel
from tidemill.risk import Limits
from tidemill.sizing import SizingPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRules:
    """What all decisions of one account have in common.

    ``strategy`` is the name that decisions are recorded under; ``own`` the strategy of that name when it is
    not one that ships. The first of ``universe`` is what the others are compared with (correlation, beta), and its
    quote is the currency of a backtest's account. ``price_cap_fraction`` bounds how far from the decided close an
    order may fill. Of ``scorer`` scores are read. An instrument of which less than ``min_completeness`` of the longest
    window is known is not decided on. ``adjusted``: whether bars are adjusted for splits and dividends before they
    are compared.
    """

    account: str
    strategy: str
    mode: str
    grid: DecisionGrid
    universe: tuple[str, ...]
    instruments: Mapping[str, Instrument]
    sizing: SizingPolicy
    limits: Limits
    price_cap_fraction: Decimal
    scorer: str
    min_completeness: float = 0.9
    adjusted: bool = True
    own: Strategy | None = None

    def key(self, as_of: datetime, attempt: int = 0) -> DecisionKey:
        """The identity of a decision at ``as_of``, and when its intents expire: at the next as_of.

        DataError when ``as_of`` has no time zone.
        """
        return DecisionKey(
            account=self.account,
            strategy=self.strategy,
            as_of=as_of,
            attempt=attempt,
            expires_at=self.grid.next_as_of(as_of),
        )


def rule_in_use(strategy: str, champion: FittedModel | None) -> str:
    """Name the rule that decides: ``trend`` stands in for ``model`` while there is no champion.

    A fresh install trades on paper from its first day, and says by which rule.
    """
    return "trend" if strategy == "model" and champion is None else strategy


def mark_equity(rules: DecisionRules, portfolio: Portfolio, prices: Mapping[str, Decimal]) -> Decimal:
    """Equity in account currency at ``prices`` (quote units) by instrument.

    An asset without a price counts zero, so ``prices`` must have the last known price of all that is held.
    """
    return portfolio.equity({rules.instruments[name].base: price for name, price in prices.items()})
