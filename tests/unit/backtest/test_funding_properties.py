"""What must hold of funding on any recording."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exact_runs import (
    BARS,
    HOUR,
    INSTRUMENTS,
    START,
    movements,
    plan_of,
    told,
)
from support.funded_runs import (
    FEW,
    MINUTE,
    D,
    drive,
    funded,
    funding_of,
    seeds,
)

from tidemill.backtest import run_backtest
from tidemill.backtest.run import _Run
from tidemill.domain.portfolio import ZERO
from tidemill.forecasting import Targets, View
from tidemill.matching.clearing import funding_amount
from tidemill.recording import RecordedSeries, Recording


@FEW
@given(seeds, st.sampled_from(["trend", "reversion"]), st.sampled_from(["received", "quote"]), st.booleans())
def test_cash_changes_only_by_fills_fees_and_funding(seed: int, strategy: str, fee_asset: str, holes: bool) -> None:
    recording = funded(seed, holes=holes)
    plan = plan_of(recording, strategy, fee_asset=fee_asset)
    run = _Run(recording, plan)
    result = drive(run)
    whole = run_backtest(recording, plan)
    assert (whole.equity, whole.settlements, whole.closing) == (result.equity, result.settlements, result.closing)
    moves = [(one.traded_at, movements(one)) for one in result.fills]
    moves += [(one.settled_at, {"USD": -one.paid}) for one in result.settlements]
    moves.sort(key=lambda move: move[0])
    assets, done = {"USD": plan.start_cash}, 0
    for decision in result.decisions:
        while done < len(moves) and moves[done][0] < decision.as_of:
            for asset, amount in moves[done][1].items():
                assets[asset] = assets.get(asset, ZERO) + amount
            done += 1
        if decision.outcome == "refused":
            continue
        prices = {name.split("-")[0]: D(price) for name, price in decision.record["prices"].items()}
        worth = sum((quantity * prices.get(asset, D(1)) for asset, quantity in assets.items()), ZERO)
        assert D(decision.record["equity"]) == worth
    for _, moved in moves[done:]:
        for asset, amount in moved.items():
            assets[asset] = assets.get(asset, ZERO) + amount
    assert {asset: amount for asset, amount in assets.items() if amount} == result.closing.assets
    events = [one for one in run.ledger.load_cash_events(plan.rules.account) if one.kind == "funding"]
    assert [-one.amount for one in events] == [one.paid for one in result.settlements if one.paid]
    assert -sum((one.amount for one in events), ZERO) == run.exchange.funding.get("USD", ZERO)


def test_a_ledger_that_misses_a_settlement_is_caught() -> None:
    recording = funded(1)
    plan = plan_of(recording)
    assert drive(_Run(recording, plan)).funding
    with pytest.raises(AssertionError):
        drive(_Run(recording, plan), books=False)


@FEW
@given(seeds, st.sampled_from(["trend", "reversion"]), st.integers(1, 23))
def test_a_period_in_two_parts_joins_to_the_whole(seed: int, strategy: str, cut: int) -> None:
    recording = funded(seed)
    plan = plan_of(recording, strategy, risk={"max_drawdown": 0.25})
    middle = plan.start + cut * HOUR
    whole = run_backtest(recording, plan)
    first = run_backtest(recording, replace(plan, end=middle))
    second = run_backtest(recording, replace(plan, start=middle, opening=first.closing))
    assert told(first) + told(second) == told(whole)
    assert second.closing.assets == whole.closing.assets
    assert (*first.equity[:-1], *second.equity[1:]) == whole.equity
    assert first.settlements + second.settlements == whole.settlements


@FEW
@given(seeds, st.integers(1, 40))
def test_no_rate_is_known_before_its_time_nor_to_a_feature(seed: int, at: int) -> None:
    recording = funded(seed)
    plan = plan_of(recording)
    moment = START + HOUR * (BARS - 34) + 30 * MINUTE * at
    changed = []
    for one in recording.funding:
        late = one.rates["event_time"] >= pd.Timestamp(moment)
        changed.append(replace(one, rates=one.rates.assign(rate=one.rates["rate"].where(~late, -0.003))))
    one, other = (run_backtest(some, plan) for some in (recording, replace(recording, funding=tuple(changed))))
    before = [made.as_of < moment for made in one.decisions].count(True)
    assert one.decisions[:before] == other.decisions[:before]
    assert [part for part in one.settlements if part.settled_at < moment] == [
        part for part in other.settlements if part.settled_at < moment
    ]
    assert [made.record.get("features") for made in one.decisions] == [
        made.record.get("features") for made in other.decisions
    ]


class Turning:
    """All in for one hour of every five, all out in the next."""

    name, code_hash, source = "turning", "", ""

    def needs(self, grid: object, champion: object) -> tuple[str, ...]:
        return ()

    def horizon_bars(self, grid: object, champion: object) -> int:
        return 1

    def decide(self, view: View) -> Targets:
        wanted = {0: D("0.5"), 3: ZERO}.get(view.as_of.hour % 5)
        names = () if wanted is None else view.features.index
        return Targets(quantities={str(name): wanted for name in names})


class Foretelling(Turning):
    """The same, and it says when."""

    def speaks_at(self, bars: pd.DataFrame, points: pd.DatetimeIndex) -> np.ndarray:
        return points.hour.to_numpy() % 5 % 3 == 0


def long_recording(seed: int) -> Recording:
    """One instrument for 420 hours, settled every third hour and a half hour later: most points can be passed by."""
    hours, instrument = range(420), INSTRUMENTS[0]
    closes = 100 + np.round(np.cumsum(np.random.default_rng(seed).normal(0, 0.5, len(hours))), 2)
    closes = np.round(np.maximum(closes, 1), 2)
    times = pd.DatetimeIndex([START + HOUR * one for one in hours]).as_unit("us")
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    bars = pd.DataFrame({"open_time": times, **prices, "volume": 1000.0 + np.arange(len(hours)) % 7})
    rates = {START + HOUR * one + late: 0.0003 * (one % 7 - 3) for one in hours[::3] for late in (0 * MINUTE, HOUR / 2)}
    series = RecordedSeries(instrument=instrument, timeframe="1h", bars=bars)
    return Recording(title="long", calendar="24x7", series=(series,), funding=(funding_of(instrument.id, rates),))


@FEW
@given(seeds)
def test_points_passed_by_are_settled_and_marked_all_the_same(seed: int) -> None:
    recording = long_recording(seed)
    plan = replace(plan_of(recording, risk={"max_drawdown": 1}), start=START + 200 * HOUR, end=START + 416 * HOUR)
    asked, told_before = (
        run_backtest(recording, replace(plan, rules=replace(plan.rules, strategy="turning", own=own)))
        for own in (Turning(), Foretelling())
    )
    assert told_before.passed > 50
    assert len(asked.settlements) > 50
    assert told_before.equity == asked.equity
    assert told_before.settlements == asked.settlements
    assert told_before.closing.assets == asked.closing.assets
    assert told_before.closing.peak_equity == asked.closing.peak_equity


@given(
    st.decimals(0, 10**6, places=8),
    st.decimals("0.01", 10**6, places=2),
    st.floats(-0.9, 0.9).map(lambda rate: D(repr(rate))),
)
def test_a_payment_is_exact_and_rounded_against_the_holder(quantity: Decimal, mark: Decimal, rate: Decimal) -> None:
    amount = Fraction(funding_amount(quantity, mark, rate))
    exact = Fraction(quantity) * Fraction(mark) * Fraction(rate)
    assert exact <= amount < exact + Fraction(1, 10**8)
    assert (amount * 10**8).denominator == 1
