"""Step 4: what a decision may see of the market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pandas as pd

from tidemill.deciding.rules import DecisionRules
from tidemill.domain.market import DecisionGrid, timeframe_seconds, to_micros, to_step
from tidemill.features import LOOKBACK
from tidemill.ports import BarStore, PostStore, QuarantineStore
from tidemill.quality import honour_quarantine, window_fraction

# Reading a fifth more than the longest window leaves room for missing bars; sessions come five in seven days.
WINDOW_SLACK = 1.2
DAYS_PER_SESSION = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """What a decision may see. ``refusal`` is set when it sees too little to decide.

    ``history`` gives the bars of the whole window where ``bars`` holds only the newest of each instrument,
    as in a backtest, which has made its feature rows before.
    """

    bars: pd.DataFrame
    scores: pd.DataFrame
    prices: Mapping[str, Decimal]
    volumes: Mapping[str, Decimal]
    stale: Mapping[str, str]
    watermark: int
    refusal: str = ""
    incomplete: Mapping[str, str] = field(default_factory=dict)
    history: Callable[[], pd.DataFrame] | None = None


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
    start = window_start(grid, point)
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
    start = pd.Timestamp(window_start(rules.grid, point))
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


def window_start(grid: DecisionGrid, point: datetime) -> datetime:
    """Where reading begins for the decision at ``point``: a little before the longest window."""
    slack = DAYS_PER_SESSION if grid.calendar == "as-recorded" else WINDOW_SLACK
    return point - timedelta(seconds=timeframe_seconds(grid.timeframe) * slack * LOOKBACK)
