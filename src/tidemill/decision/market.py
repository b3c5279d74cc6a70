"""Step 4: what a decision may see of the market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.decision.rules import DecisionRules
from tidemill.domain.market import DecisionGrid, timeframe_seconds, to_micros, to_step
from tidemill.features import LOOKBACK
from tidemill.ports import BarStore, MarketEventStore, PostStore, QuarantineStore
from tidemill.quality import AdjustedBars, adjust_as_of, honour_quarantine, window_fraction

# Reading a fifth more than the longest window leaves room for missing bars; sessions come five in seven days.
WINDOW_SLACK = 1.2
DAYS_PER_SESSION = 1.6
NO_ROWS = pd.DataFrame()
ALL_STALE = "stale: of no instrument is the decided bar known"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """What a decision may see of the market. ``refusal`` is set when it sees too little to decide.

    ``bars`` (BARS, newest known revisions) compare with one another across splits and dividends; ``prices`` (quote
    units) and ``volumes`` (base units) are the raw decided closes and volumes, by which is sized and ordered.
    ``scores`` are SCORES. ``stale`` and ``incomplete`` map an instrument to the reason why it is not decided on.
    ``watermark`` (micros) is up to when rows stored were read: with it the same rows are found again.

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
    records: MarketEventStore | None = None,
) -> MarketView:
    """Step 4: bars and scores known and stored at ``as_of`` (or up to a recorded ``watermark``).

    Bars that stood in ``quarantine`` then are left out, and what is left is adjusted by the splits and dividends
    in ``records`` that were known then. An instrument whose decided bar is not among them is stale; one of which
    too many bars are missing, or which split after its last bar, is incomplete; nothing left is a refusal.
    """
    grid = rules.grid
    point = grid.point_of(as_of)
    start = window_start(grid, point)
    # the watermark is recorded, so that a rerun reads the same rows whatever has been stored since
    stored = min(bars.watermark(), to_micros(as_of)) if watermark is None else watermark
    rows = bars.read_bars(
        rules.universe, grid.timeframe, start, point, known_at=as_of, stored_until=stored, revisions=False
    )
    if quarantine is not None:
        refused = quarantine.read_quarantine(rules.universe, grid.timeframe, stored_until=stored)
        rows = honour_quarantine(rows, refused)
    scores = posts.read_scores(rules.scorer, start, point, known_at=grid.decided_close(point), stored_until=stored)
    adjusted = AdjustedBars(bars=rows)
    if records is not None and rules.adjusted:
        adjusted = adjust_as_of(rows, records, known_at=as_of, stored_until=stored)
    lacking = {**find_incomplete(rules, point, rows), **adjusted.unpriced, **adjusted.refused}
    # prices stay raw: orders are placed at them, while features need bars that compare with one another
    raw = view_market(rules, point, rows, scores, stored, incomplete=lacking)
    return replace(raw, bars=adjusted.bars)


def find_incomplete(rules: DecisionRules, point: datetime, bars: pd.DataFrame) -> dict[str, str]:
    """Instruments of which too many bars of the lookback are missing, with the reason.

    Staleness has a reason of its own, so an instrument without any bar is not told here.
    """
    start = pd.Timestamp(window_start(rules.grid, point))
    recent = bars[(bars["open_time"] >= start) & (bars["open_time"] < pd.Timestamp(point))]
    opens = {
        str(name): rows["open_time"].to_numpy("datetime64[us]").astype("int64")
        for name, rows in recent.groupby("instrument")
    }
    reasons = {name: why_incomplete(rules, point, micros) for name, micros in opens.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def why_incomplete(rules: DecisionRules, point: datetime, opens: np.ndarray) -> str:
    """Why one instrument, of which the bars opened at ``opens`` (micros, ascending) are known, is not decided on."""
    fraction = window_fraction(opens, rules.grid, point, bars=LOOKBACK)
    if fraction >= rules.min_completeness:
        return ""
    return f"incomplete: {fraction:.1%} of its bars are known, {rules.min_completeness:.1%} needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastBar:
    """The newest known bar of an instrument: what a decision needs of it.

    ``opened`` is its open time, ``price`` its close in quote units on the price step, ``volume`` in base units.
    """

    opened: datetime
    price: Decimal
    volume: Decimal


def view_market(
    rules: DecisionRules,
    point: datetime,
    bars: pd.DataFrame,
    scores: pd.DataFrame,
    watermark: int,
    *,
    incomplete: Mapping[str, str] | None = None,
) -> MarketView:
    """Prices, volumes, staleness and completeness of what was read for the decision at ``point``.

    ``bars`` are BARS ascending by open time within each instrument, one revision of each; ``incomplete`` maps
    instruments to why they are not decided on.
    """
    view = view_last_bars(rules, point, _last_bars(rules, bars), watermark, incomplete=incomplete)
    return replace(view, bars=bars, scores=scores)


def view_last_bars(
    rules: DecisionRules,
    point: datetime,
    last: Mapping[str, LastBar],
    watermark: int,
    *,
    incomplete: Mapping[str, str] | None = None,
    history: Callable[[], pd.DataFrame] | None = None,
) -> MarketView:
    """The same from the newest bar of each instrument, without frames: ``bars`` and ``scores`` are empty."""
    decided = rules.grid.decided_open(point)
    lacking = incomplete or {}
    stale = {name: _why_stale(last.get(name), decided) for name in rules.universe}
    stale_reasons = {name: reason for name, reason in stale.items() if reason}
    newest = [(name, last[name]) for name in rules.universe if name in last]
    return MarketView(
        bars=NO_ROWS,
        scores=NO_ROWS,
        prices={name: bar.price for name, bar in newest},
        volumes={name: bar.volume for name, bar in newest},
        stale=stale_reasons,
        watermark=watermark,
        refusal=_why_nothing(rules, stale_reasons, lacking),
        incomplete=lacking,
        history=history,
    )


def _last_bars(rules: DecisionRules, bars: pd.DataFrame) -> dict[str, LastBar]:
    if not len(bars):
        return {}
    last = bars.groupby("instrument").tail(1)
    columns = [last[name].tolist() for name in ("instrument", "open_time", "close", "volume")]
    return {
        name: make_last_bar(opened.to_pydatetime(), close, volume, rules.instruments[name].price_step)
        for name, opened, close, volume in zip(*columns, strict=True)
        if name in rules.universe
    }


def make_last_bar(opened: datetime, close: float, volume: float, price_step: Decimal) -> LastBar:
    """Where a bar's floats cross to Decimal; DataError for a close off its step.

    A volume has no step of its own, so its shortest text is taken.
    """
    return LastBar(opened=opened, price=to_step(close, price_step), volume=Decimal(repr(volume)))


def _why_stale(bar: LastBar | None, decided: datetime) -> str:
    if bar is None:
        return "no bar is known"
    return f"stale: its last known bar opened {bar.opened:%Y-%m-%dT%H:%MZ}" if bar.opened < decided else ""


def _why_nothing(rules: DecisionRules, stale: Mapping[str, str], incomplete: Mapping[str, str]) -> str:
    if len(stale) == len(rules.universe):
        return ALL_STALE
    decidable = set(rules.universe) - set(stale) - set(incomplete)
    return "" if decidable else f"incomplete: {next(iter(incomplete))}, {next(iter(incomplete.values()))}"


def window_start(grid: DecisionGrid, point: datetime) -> datetime:
    """Where reading begins for the decision at ``point``: a little before the longest window."""
    slack = DAYS_PER_SESSION if grid.calendar == "as-recorded" else WINDOW_SLACK
    return point - timedelta(seconds=timeframe_seconds(grid.timeframe) * slack * LOOKBACK)
