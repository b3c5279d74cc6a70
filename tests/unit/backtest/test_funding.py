"""Funding of perpetuals, settled by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from support.exact_runs import (
    BARS,
    HOUR,
    INSTRUMENTS,
    START,
    make_recording,
    plan_of,
)
from support.funded_runs import (
    EIGHT,
    MINUTE,
    RATES,
    D,
    day,
    drive,
    funding_of,
    paid,
)

from tidemill.backtest import BacktestResult, run_backtest
from tidemill.backtest.run import _Run
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.matching import Exchange
from tidemill.matching.clearing import funding_amount
from tidemill.pages.tables import cost_rows
from tidemill.performance import measure
from tidemill.research.run_records import make_exact_record


def check_day(result: BacktestResult) -> None:
    assert paid(result) == [
        (30 * MINUTE, D(5), D(100), D("0.05")),
        (2 * HOUR, D(5), D(120), D("-0.12")),
        (2 * HOUR + 2 * MINUTE, D(2), D(120), D("3E-8")),
        (3 * HOUR, D(2), D(90), D("-2E-8")),
    ]
    # 1000 - 5 x 100 - 0.05, + 0.12 + 3 x 120, + 2 x 90 - 1e-8
    assert [value for _, value in result.equity] == [
        D(1000),
        D(500) + 5 * D(100),
        D("499.95") + 5 * D(110),
        D("860.07") + 2 * D(120),
        D("1040.06999999"),
        D("1040.06999999"),
    ]
    assert result.closing.assets == {"USDT": D("1040.06999999")}
    assert result.funding == D("-0.06999999")


def test_a_day_by_hand(tmp_path: Path) -> None:
    recording, plan = day(tmp_path, RATES)
    check_day(run_backtest(recording, plan))


def test_the_day_catches_a_sign_that_is_flipped(tmp_path: Path) -> None:
    class Flipped(Exchange):
        def settle_funding(self, account: str, instrument: str, *, mark: Decimal, rate: Decimal) -> Decimal:
            return super().settle_funding(account, instrument, mark=mark, rate=-rate)

    recording, plan = day(tmp_path, RATES)
    check_day(drive(_Run(recording, plan)))
    with pytest.raises(AssertionError):
        check_day(drive(_Run(recording, plan), settles_at=Flipped))


def test_the_result_tells_it_beside_the_fees_and_among_the_costs(tmp_path: Path) -> None:
    recording, plan = day(tmp_path, RATES)
    result = run_backtest(recording, plan)
    summary = result.to_json("own")
    assert (summary["funding"], summary["funding_unsettled"]) == ("-0.06999999", [])
    statistics = measure(make_exact_record(recording, plan, result)).to_json()
    assert statistics["costs"]["funding"] == "-0.06999999"
    assert next(row["amount"] for row in cost_rows(statistics, 1000.0) if row["cost"] == "funding") == "-0.07"
    assert json.dumps(summary)


def test_a_rate_of_nothing_moves_nothing(tmp_path: Path) -> None:
    recording, plan = day(tmp_path, {EIGHT + HOUR: 0.0})
    result = run_backtest(recording, plan)
    without = run_backtest(replace(recording, funding=()), plan)
    assert paid(result) == [(HOUR, D(5), D(110), ZERO)]
    assert (result.equity, result.closing.assets) == (without.equity, without.closing.assets)


def test_a_position_that_no_bar_values_is_not_settled_and_told() -> None:
    recording = make_recording(3)
    late = recording.series[1]
    late = replace(late, bars=late.bars.iloc[BARS - 10 :].reset_index(drop=True))
    first = START + HOUR * (BARS - 9)  # the first bar of BBB closes
    rates = {first - 30 * MINUTE: 0.001, first: 0.001}
    recording = replace(
        recording,
        series=(recording.series[0], late, recording.series[2]),
        funding=(funding_of(INSTRUMENTS[1].id, rates),),
    )
    plan = plan_of(recording)
    opening = Portfolio(account=plan.rules.account, currency="USD", assets={"USD": D(1000), "BBB": D("0.5")})
    result = run_backtest(recording, replace(plan, opening=opening))
    mark = D(repr(float(late.bars["close"].iloc[0])))
    assert [(one.settled_at, one.quantity, one.mark, one.paid) for one in result.settlements] == [
        (first - 30 * MINUTE, D("0.5"), None, ZERO),
        (first, D("0.5"), mark, funding_amount(D("0.5"), mark, D("0.001"))),
    ]
    assert result.to_json("trend")["funding_unsettled"] == [
        {"instrument": "BBB-USD.TEST", "event_time": (first - 30 * MINUTE).strftime("%Y-%m-%dT%H:%M:%SZ")}
    ]
    record = make_exact_record(recording, plan, result)
    assert any(one.startswith("Funding is missing: 1 settlement of") for one in measure(record).warnings)


def test_what_the_cash_does_not_cover_is_owed(tmp_path: Path) -> None:
    rates = {EIGHT + 30 * MINUTE: 0.01}
    recording, plan = day(tmp_path, rates, start_cash="750")
    result = run_backtest(recording, plan)
    # 750 / 150.00 = 5.000 could be sent; 500 is spent, and 250 + 5 x 100 x 0.01 below: cash is enough here
    assert result.closing.assets["USDT"] == D(750) - 500 - 5 + 360 + 180
    opening = Portfolio(account=plan.rules.account, currency="USDT", assets={"USDT": D(1), "BTC": D(5)})
    poor = run_backtest(recording, replace(plan, opening=opening))
    assert paid(poor) == [(30 * MINUTE, D(5), D(100), D(5))]
    assert poor.equity[2][1] == D(1) - 5 + 5 * D(110)  # 4 are owed
    assert poor.closing.assets["USDT"] == D(1) - 5 + 360 + 180
