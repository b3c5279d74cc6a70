"""One decision from what was known to what is to be asked of the venue: steps 4 to 11 in their order.

The flow `trade`, the exact backtest and `rerun` all go through these functions, so they cannot differ.
Everything here is pure but :func:`load_market`, which reads stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pandas as pd

from tidemill.domain.market import DecisionGrid, Instrument, timeframe_seconds, to_micros, to_step
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.domain.trading import Dropped, Forecast, TargetPosition
from tidemill.execution.planning import DecisionKey, OrderPlan, plan_orders
from tidemill.features import LOOKBACK, build_features
from tidemill.forecasting import Forecasts, make_forecasts
from tidemill.ports import BarStore, FittedModel, PostStore, QuarantineStore
from tidemill.quality import honour_quarantine, window_fraction
from tidemill.risk import Approved, Limits, apply_limits
from tidemill.sizing import Sizing, SizingPolicy, size_positions

# Reading a fifth more than the longest window leaves room for missing bars; sessions come five in seven days.
WINDOW_SLACK = 1.2
DAYS_PER_SESSION = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRules:
    """What all decisions of one account have in common."""

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

    def key(self, as_of: datetime, attempt: int = 0) -> DecisionKey:
        """The identity of a decision at ``as_of``."""
        return DecisionKey(
            account=self.account,
            strategy=self.strategy,
            as_of=as_of,
            attempt=attempt,
            expires_at=self.grid.next_as_of(as_of),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """What a decision may see. ``refusal`` is set when it sees too little to decide."""

    bars: pd.DataFrame
    scores: pd.DataFrame
    prices: Mapping[str, Decimal]
    volumes: Mapping[str, Decimal]
    stale: Mapping[str, str]
    watermark: int
    refusal: str = ""
    incomplete: Mapping[str, str] = field(default_factory=dict)


def load_market(
    rules: DecisionRules,
    as_of: datetime,
    bars: BarStore,
    posts: PostStore,
    *,
    watermark: int | None = None,
    quarantine: QuarantineStore | None = None,
) -> MarketView:
    """Step 4: bars and scores known and stored at ``as_of`` (or up to a recorded ``watermark``).

    Bars that stood in ``quarantine`` then are left out. An instrument whose decided bar is not among them
    is stale; one of which too many bars are missing is incomplete; nothing left is a refusal.
    """
    grid = rules.grid
    point = grid.point_of(as_of)
    start = _window_start(grid, point)
    stored = min(bars.watermark(), to_micros(as_of)) if watermark is None else watermark
    known = bars.read_bars(
        rules.universe, grid.timeframe, start, point, known_at=as_of, stored_until=stored, revisions=False
    )
    if quarantine is not None:
        refused = quarantine.read_quarantine(rules.universe, grid.timeframe, stored_until=stored)
        known = honour_quarantine(known, refused)
    scores = posts.read_scores(rules.scorer, start, point, known_at=grid.decided_close(point), stored_until=stored)
    return view_market(rules, point, known, scores, stored, incomplete=find_incomplete(rules, point, known))


def find_incomplete(rules: DecisionRules, point: datetime, bars: pd.DataFrame) -> dict[str, str]:
    """Instruments of which too many bars of the lookback are missing, with the reason.

    Staleness has a reason of its own, so an instrument without any bar is not told here.
    """
    found: dict[str, str] = {}
    start = pd.Timestamp(_window_start(rules.grid, point))
    recent = bars[(bars["open_time"] >= start) & (bars["open_time"] < pd.Timestamp(point))]
    for name, some in recent.groupby("instrument"):
        opens = some["open_time"].to_numpy("datetime64[us]").astype("int64")
        fraction = window_fraction(opens, rules.grid, point, bars=LOOKBACK)
        if fraction < rules.min_completeness:
            found[str(name)] = f"incomplete: {fraction:.1%} of its bars are known, {rules.min_completeness:.1%} needed"
    return found


def view_market(
    rules: DecisionRules,
    point: datetime,
    bars: pd.DataFrame,
    scores: pd.DataFrame,
    watermark: int,
    *,
    incomplete: Mapping[str, str] | None = None,
) -> MarketView:
    """Tell prices, volumes, staleness and completeness of what was read."""
    lacking = incomplete or {}
    last = bars.groupby("instrument").tail(1).set_index("instrument") if len(bars) else bars
    decided = pd.Timestamp(rules.grid.decided_open(point))
    prices: dict[str, Decimal] = {}
    volumes: dict[str, Decimal] = {}
    stale: dict[str, str] = {}
    for name in rules.universe:
        if not len(bars) or name not in last.index:
            stale[name] = "no bar is known"
            continue
        close, volume = (float(str(last.at[name, column])) for column in ("close", "volume"))
        prices[name] = to_step(close, rules.instruments[name].price_step)
        volumes[name] = Decimal(repr(volume))
        opened = pd.Timestamp(str(last.at[name, "open_time"]))
        if opened < decided:
            stale[name] = f"stale: its last known bar opened {opened:%Y-%m-%dT%H:%MZ}"
    return MarketView(
        bars=bars,
        scores=scores,
        prices=prices,
        volumes=volumes,
        stale=stale,
        watermark=watermark,
        refusal=_why_nothing(rules, stale, lacking),
        incomplete=lacking,
    )


def _why_nothing(rules: DecisionRules, stale: Mapping[str, str], incomplete: Mapping[str, str]) -> str:
    if len(stale) == len(rules.universe):
        return "stale: of no instrument is the decided bar known"
    left = set(rules.universe) - set(stale) - set(incomplete)
    return "" if left else f"incomplete: {next(iter(incomplete))}, {next(iter(incomplete.values()))}"


def build_table(rules: DecisionRules, as_of: datetime, market: MarketView) -> pd.DataFrame:
    """Step 5: the feature rows of this decision, by instrument."""
    point = rules.grid.point_of(as_of)
    table = build_features(market.bars, market.scores, grid=rules.grid, points=[point], universe=rules.universe)
    return without_incomplete(rows_at(table, point), market)


def without_incomplete(table: pd.DataFrame, market: MarketView) -> pd.DataFrame:
    """Feature rows but those of instruments of which too much is missing: they are not decided on."""
    return table[~table.index.isin(list(market.incomplete))] if market.incomplete else table


def rows_at(table: pd.DataFrame, point: datetime) -> pd.DataFrame:
    """The rows of one point by instrument; empty when there are none."""
    when = pd.Timestamp(point)
    if when not in table.index.get_level_values("point"):
        return table.iloc[:0].droplevel("point")
    return pd.DataFrame(table.xs(when, level="point"))


def make_decision_forecasts(
    rules: DecisionRules, as_of: datetime, table: pd.DataFrame, champion: FittedModel | None
) -> Forecasts:
    """Step 7: forecasts of the strategy; ``trend`` stands in for ``model`` while there is no champion."""
    point = rules.grid.point_of(as_of)
    return make_forecasts(rule_in_use(rules.strategy, champion), table, champion=champion, grid=rules.grid, point=point)


def rule_in_use(strategy: str, champion: FittedModel | None) -> str:
    """Name the rule that decides."""
    return "trend" if strategy == "model" and champion is None else strategy


def mark_equity(rules: DecisionRules, portfolio: Portfolio, prices: Mapping[str, Decimal]) -> Decimal:
    """Equity at the given prices by instrument, in account currency."""
    return portfolio.equity({rules.instruments[name].base: price for name, price in prices.items()})


def size_decision(rules: DecisionRules, forecasts: Forecasts, portfolio: Portfolio, market: MarketView) -> Sizing:
    """Step 9: target positions; instruments without a forecast keep what they hold."""
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
    table: pd.DataFrame
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
    table: pd.DataFrame | None = None,
) -> Draft:
    """Steps 5 to 11 in one call. ``table`` may bring feature rows made earlier for many points at once."""
    rows = build_table(rules, key.as_of, market) if table is None else without_incomplete(table, market)
    forecasts = make_decision_forecasts(rules, key.as_of, rows, champion)
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


def _window_start(grid: DecisionGrid, point: datetime) -> datetime:
    slack = DAYS_PER_SESSION if grid.calendar == "as-recorded" else WINDOW_SLACK
    return point - timedelta(seconds=timeframe_seconds(grid.timeframe) * slack * LOOKBACK)
