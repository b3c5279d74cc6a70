"""Whether a strategy can be trusted: it gives the same answer twice, reads no clock, and does not look ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.decision import DecisionRules, MarketView, PlainSteps, rows_at, view_market
from tidemill.domain.errors import StrategyError
from tidemill.domain.market import format_time
from tidemill.domain.portfolio import Portfolio
from tidemill.features import build_features
from tidemill.forecasting import Strategy
from tidemill.ports import FittedModel
from tidemill.strategies.side_effects import read_suspects, watch_calls

SAMPLED_POINTS = 8
CASH = Decimal(100_000)
Answers = Mapping[datetime, Mapping[str, float | Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found: ``problems`` are sentences, none when the strategy passed; ``points`` were looked at."""

    strategy: str
    points: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a strategy is examined on: BARS and SCORES, the rules it would trade under, and the decided points."""

    rules: DecisionRules
    bars: pd.DataFrame
    scores: pd.DataFrame
    points: Sequence[datetime]
    champion: FittedModel | None = None


def examine_strategy(load: Callable[[], Strategy], evidence: Evidence) -> Examination:
    """Ask at sampled points, twice, in both orders, and with everything later taken away; compare to the last bit.

    ``load`` gives the strategy anew, so that nothing is remembered from one pass to the next. What it calls
    of clocks, files and chance is watched, and its source searched. Its own errors are problems too.
    """
    # each pass loads the file anew, so that what it remembers of one pass cannot hide a fault in the next
    first = load()
    points = _sample(evidence.points)
    try:
        problems = _find_problems(first, load, replace(evidence, points=points))
    except StrategyError as error:
        problems = [str(error)]
    return Examination(strategy=first.name, points=len(points), problems=tuple(problems))


def _sample(points: Sequence[datetime]) -> list[datetime]:
    if not points:
        return []
    places = np.unique(np.linspace(0, len(points) - 1, SAMPLED_POINTS).astype(int))
    return [points[index] for index in places]


def _find_problems(first: Strategy, load: Callable[[], Strategy], evidence: Evidence) -> list[str]:
    name, points = f"strategy '{first.name}'", list(evidence.points)
    with watch_calls(str(getattr(first, "path", ""))) as calls:
        once = _ask(first, evidence, points)
    suspects = dict.fromkeys([*read_suspects(first.source), *calls])
    problems = [f"{name} must not read clock, chance, file or network: {suspect}" for suspect in suspects]
    passes = (
        ("when asked again", _ask(first, evidence, points)),
        ("when asked in another order", _ask(load(), evidence, points[::-1])),
        ("once later bars and posts are taken away, so it looks ahead", _ask(load(), evidence, points, truncated=True)),
    )
    for what, again in passes:
        if difference := _first_difference(once, again):
            return [*problems, f"{name} answers otherwise {what}: {difference}"]
    return problems


def _ask(strategy: Strategy, evidence: Evidence, points: Sequence[datetime], *, truncated: bool = False) -> Answers:
    rules = replace(evidence.rules, strategy=strategy.name, own=strategy)
    whole = None if truncated else _table(evidence, evidence.bars, evidence.scores, evidence.points)
    answers = {}
    for point in points:
        bars, scores = (evidence.bars, evidence.scores) if whole is not None else _known_at(evidence, point)
        table = _table(evidence, bars, scores, [point]) if whole is None else whole
        answers[point] = _answer(rules, evidence, point, bars, rows_at(table, point))
    return answers


def _table(evidence: Evidence, bars: pd.DataFrame, scores: pd.DataFrame, points: Sequence[datetime]) -> pd.DataFrame:
    rules = evidence.rules
    return build_features(bars, scores, grid=rules.grid, points=points, universe=rules.universe)


def _known_at(evidence: Evidence, point: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Only what was known at the point's as_of."""
    as_of = pd.Timestamp(evidence.rules.grid.as_of(point))
    bars, scores = evidence.bars, evidence.scores
    known_bars = bars[(bars["knowledge_time"] <= as_of) & (bars["open_time"] < pd.Timestamp(point))]
    return known_bars, scores[scores["knowledge_time"] <= as_of] if len(scores) else scores


def _answer(
    rules: DecisionRules, evidence: Evidence, point: datetime, bars: pd.DataFrame, rows: pd.DataFrame
) -> Mapping[str, float | Decimal]:
    market = _market(rules, point, bars)
    currency = rules.instruments[rules.universe[0]].quote
    portfolio = Portfolio(account=rules.account, currency=currency, assets={currency: CASH})
    as_of = rules.grid.as_of(point)
    answer = PlainSteps(rules).make_forecasts(as_of, rows, evidence.champion, market, portfolio)
    if answer.targets is not None:
        return answer.targets
    return {forecast.instrument: forecast.strength for forecast in answer.forecasts}


def _market(rules: DecisionRules, point: datetime, bars: pd.DataFrame) -> MarketView:
    last = bars[bars["open_time"] < pd.Timestamp(point)].groupby("instrument").tail(1)
    return replace(view_market(rules, point, last, last.iloc[:0], 0), history=lambda: bars)


def _first_difference(once: Answers, again: Answers) -> str:
    for point, answer in once.items():
        for name in sorted({*answer, *again[point]}):
            before, after = answer.get(name), again[point].get(name)
            if before != after:
                return f"at {format_time(point)} {name} gets {after}, and got {before}"
    return ""
