"""The exact backtest: golden days by hand, and what must hold on any recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.exact_runs import BARS, HOUR, START, golden_recording, make_recording, movements, plan_of, told

from tidemill.backtest import BacktestPlan, BacktestResult, run_backtest
from tidemill.domain.errors import DataError
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Fill
from tidemill.recording import RecordedSeries, Recording

D = Decimal
FEW = settings(max_examples=5)
seeds = st.integers(0, 10**6)
rules = st.sampled_from(["trend", "reversion"])


# -- what must hold


def check_books(plan: BacktestPlan, result: BacktestResult, fills: Sequence[Fill]) -> None:
    """Equity on record is what ``fills`` make of the start cash, at every decision and at the end; nothing is short."""
    assets, done = {"USD": plan.start_cash}, 0

    def book(fill: Fill) -> None:
        for asset, amount in movements(fill).items():
            assets[asset] = assets.get(asset, ZERO) + amount
            assert assets[asset] >= 0

    for decision in result.decisions:
        while done < len(fills) and fills[done].traded_at < decision.as_of:
            book(fills[done])
            done += 1
        if decision.outcome == "refused":
            continue
        prices = {name.split("-")[0]: D(price) for name, price in decision.record["prices"].items()}
        worth = sum((quantity * prices.get(asset, D(1)) for asset, quantity in assets.items()), ZERO)
        assert D(decision.record["equity"]) == worth
    for fill in fills[done:]:
        book(fill)
    assert {asset: quantity for asset, quantity in assets.items() if quantity} == {
        asset: quantity for asset, quantity in result.closing.assets.items() if quantity
    }


@FEW
@given(seeds, rules, st.sampled_from(["received", "quote"]), st.booleans())
def test_equity_is_cash_and_positions_and_cash_is_never_negative(
    seed: int, strategy: str, fee_asset: str, holes: bool
) -> None:
    recording = make_recording(seed, holes=holes)
    plan = plan_of(recording, strategy, fee_asset=fee_asset)
    result = run_backtest(recording, plan)
    check_books(plan, result, list(result.fills))


def test_books_that_miss_a_fee_or_a_fill_are_caught() -> None:
    """Control of the property above."""
    recording = make_recording(1)
    plan = plan_of(recording)
    result = run_backtest(recording, plan)
    free = [replace(result.fills[0], fee=ZERO), *result.fills[1:]]
    for wrong in (free, list(result.fills[1:]), list(result.fills[:-1])):
        with pytest.raises(AssertionError):
            check_books(plan, result, wrong)


@FEW
@given(seeds, rules, st.permutations([0, 1, 2]))
def test_the_order_of_the_instruments_changes_nothing(seed: int, strategy: str, order: Sequence[int]) -> None:
    recording = make_recording(seed)
    turned = replace(recording, series=tuple(recording.series[index] for index in order))
    one, other = (run_backtest(some, plan_of(some, strategy)) for some in (recording, turned))
    assert told(one) == told(other)
    assert one.equity == other.equity
    assert one.fees == other.fees


@FEW
@given(seeds, rules, st.integers(1, 23), st.sampled_from([0.02, 0.25]))
def test_a_period_in_two_parts_joins_to_the_whole(seed: int, strategy: str, cut: int, drawdown: float) -> None:
    recording = make_recording(seed)
    plan = plan_of(recording, strategy, risk={"max_drawdown": drawdown})
    middle = plan.start + cut * HOUR
    whole = run_backtest(recording, plan)
    first = run_backtest(recording, replace(plan, end=middle))
    second = run_backtest(recording, replace(plan, start=middle, opening=first.closing))
    assert told(first) + told(second) == told(whole)
    assert second.closing.assets == whole.closing.assets
    assert (*first.equity[:-1], *second.equity[1:]) == whole.equity
    assert first.fees + second.fees == whole.fees


def test_other_bars_or_an_empty_opening_are_seen() -> None:
    """Control of the two properties above: what they compare does differ when it should."""
    recording = make_recording(2)
    plan = plan_of(recording)
    whole = run_backtest(recording, plan)
    first, second, third = recording.series
    swapped = (replace(first, bars=second.bars), replace(second, bars=first.bars), third)
    fine = tuple(replace(one, instrument=replace(one.instrument, price_step=D("0.001"))) for one in swapped)
    exchanged = replace(recording, series=fine)
    assert told(run_backtest(exchanged, plan_of(exchanged))) != told(whole)
    middle = plan.start + 12 * HOUR
    parts = [run_backtest(recording, one) for one in (replace(plan, end=middle), replace(plan, start=middle))]
    assert told(parts[0]) + told(parts[1]) != told(whole)


@FEW
@given(seeds, rules, st.integers(0, 6), st.floats(0.3, 3.0))
def test_no_bar_after_the_end_changes_anything(seed: int, strategy: str, before: int, wild: float) -> None:
    recording = make_recording(seed)
    plan = plan_of(recording, strategy)
    plan = replace(plan, end=plan.end - before * HOUR)
    changed = replace(recording, series=tuple(_alter(one, plan, wild) for one in recording.series))
    one, other = run_backtest(recording, plan), run_backtest(changed, plan)
    assert told(one) == told(other)
    assert one.equity == other.equity
    assert [made.record["features"] for made in one.decisions] == [made.record["features"] for made in other.decisions]


def test_a_bar_before_the_end_does_change_it() -> None:
    recording = make_recording(1)
    plan = plan_of(recording)
    early = replace(plan, end=plan.end - 3 * HOUR)
    changed = replace(recording, series=tuple(_alter(one, early, 1.3) for one in recording.series))
    assert run_backtest(recording, plan).equity != run_backtest(changed, plan).equity


def _alter(series: RecordedSeries, plan: BacktestPlan, wild: float) -> RecordedSeries:
    """Every bar that opens at the end or later is another."""
    bars = series.bars.copy()
    late = bars["open_time"] >= pd.Timestamp(plan.end)
    step = float(series.instrument.price_step)
    for name in ("open", "high", "low", "close"):
        moved = ((bars[name] * wild / step).round() * step).round(6)
        bars[name] = bars[name].where(~late, moved.clip(lower=step))
    bars["volume"] = bars["volume"].where(~late, 1.0)
    return replace(series, bars=bars)


# -- golden days, by hand


GOLDEN = """
from decimal import Decimal
from tidemill.forecasting import Targets
WANTED = {8: "10", 9: "10", 10: "4", 11: "0"}
def decide(view):
    return Targets(quantities={"BTC-USDT.TEST": Decimal(WANTED[view.as_of.hour])})
"""


def golden_plan(tmp_path: Path, recording: Recording, **changes: object) -> BacktestPlan:
    path = tmp_path / "golden.py"
    path.write_text(GOLDEN)
    wide = {"max_position_fraction": 2, "max_order_fraction": 2, "max_volume_fraction": 2, "max_gross_fraction": 2}
    plan = plan_of(recording, str(path), start_cash="1000", risk=wide | {"price_cap_fraction": 0.5}, **changes)
    eight = START + 224 * HOUR
    return replace(plan, start=eight, end=eight + 4 * HOUR)


def test_a_golden_day_by_hand(tmp_path: Path) -> None:
    recording = golden_recording()
    result = run_backtest(recording, golden_plan(tmp_path, recording, slippage="0.01", fee_taker="0.001"))
    # 08:01:30, 10 wanted, capped at half above 100: of 1000 in cash 1000 / 150.00 = 6.666 are sent; a tenth of the
    # volume of 50 fills, 5.000 at 101.00; the fee of 0.005 BTC is kept.
    # 09:01:30, 10 wanted, 4.995 held: 5.005 asked for, of 1000 - 505 = 495 in cash at most 495 / 165.00 = 3.000
    # (the cap lies half above the decided 110); 3.000 at 111.10 = 333.30; fee 0.003.
    # 10:01:30, 4 wanted, 7.992 held: 3.992 sold at 118.80 = 474.2496; fee 0.4742496, rounded up to 0.47424960.
    # 11:01:30, none wanted: all 4.000 sold at 89.10 = 356.40; fee 0.35640000.
    assert [(one.side.value, one.quantity, one.price, one.fee, one.fee_asset) for one in result.fills] == [
        ("BUY", D("5.000"), D("101.00"), D("0.00500000"), "BTC"),
        ("BUY", D("3.000"), D("111.10"), D("0.00300000"), "BTC"),
        ("SELL", D("3.992"), D("118.80"), D("0.47424960"), "USDT"),
        ("SELL", D("4.000"), D("89.10"), D("0.35640000"), "USDT"),
    ]
    assert [str(one.state) for one in result.orders] == ["expired", "filled", "filled", "filled"]
    assert [one.quantity for one in result.orders] == [D("6.666"), D("3.000"), D("3.992"), D("4.000")]
    # marks at the close decided on: 495 + 4.995 x 110; 161.7 + 7.992 x 120; 161.7 + 473.7753504 + 4 x 90; all cash
    assert [value for _, value in result.equity] == [
        D("1000"),
        D("495") + D("4.995") * 100,
        D("161.7") + D("7.992") * 110,
        D("635.4753504") + D("4") * 120,
        D("991.5189504"),
        D("991.5189504"),
    ]
    assert result.fees == D("0.005") * 101 + D("0.003") * D("111.10") + D("0.47424960") + D("0.3564")


def test_with_fees_in_quote_a_buy_leaves_room_for_its_fee(tmp_path: Path) -> None:
    recording = golden_recording()
    plan = golden_plan(tmp_path, recording, slippage="0", fee_taker="0.01", fee_asset="quote", participation="1")
    result = run_backtest(recording, replace(plan, end=plan.start + HOUR))
    # 10 wanted at a cap of 150: 1000 / (150 x 1.01) = 6.600; bought at 100.00 for 660, fee 6.60
    (fill,) = result.fills
    assert (fill.quantity, fill.price, fill.fee, fill.fee_asset) == (D("6.600"), D(100), D("6.6"), "USDT")
    assert result.closing.assets["USDT"] == D("333.4")


# -- bad input


def test_no_bar_in_range_is_named() -> None:
    recording = make_recording(1)
    plan = plan_of(recording)
    day = START.replace(year=2022, month=1)
    with pytest.raises(DataError, match="there is nothing to decide from 2022-01-01T00:00:00Z to 2022-01-02T00:00:00Z"):
        run_backtest(recording, replace(plan, start=day, end=day + 24 * HOUR))


def test_a_hole_in_the_middle_is_a_refusal_with_its_time() -> None:
    recording = make_recording(1, holes=True)
    result = run_backtest(recording, plan_of(recording))
    refused = [(one.as_of, one.reason) for one in result.decisions if one.outcome == "refused"]
    delay = plan_of(recording).rules.grid.delay
    first = START + (BARS - 20) * HOUR
    assert refused[:3] == [(first + number * HOUR + delay, "venue down") for number in range(3)]
    assert refused[3][1].startswith("stale: of no instrument")


def test_a_hole_of_one_instrument_leaves_the_others_trading() -> None:
    whole, holed = make_recording(1), make_recording(1, holes=True)
    recording = replace(whole, series=(holed.series[0], *whole.series[1:]))
    result = run_backtest(recording, plan_of(recording))
    assert all(one.outcome == "decided" for one in result.decisions)
    stale = [one.record["stale"] for one in result.decisions if one.record["stale"]]
    assert len(stale) == 3
    assert all(
        list(one) == ["AAA-USD.TEST"] and "stale: its last known bar opened" in one["AAA-USD.TEST"] for one in stale
    )
