"""Funding of perpetuals: loaded, settled by hand, and what must hold of it on any recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from exact_runs import (
    BARS,
    HOUR,
    INSTRUMENTS,
    START,
    golden_recording,
    make_recording,
    movements,
    plan_of,
    told,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tidemill.backtest import BacktestPlan, BacktestResult, run_backtest
from tidemill.backtest.running import _Run
from tidemill.bootstrap import Services, using
from tidemill.bootstrap.reporting import make_record
from tidemill.cli import app
from tidemill.domain.errors import DataError
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.domain.records import RecordKind
from tidemill.fast_backtest import run_fast_backtest
from tidemill.forecasting import Targets, View
from tidemill.matching import Exchange
from tidemill.matching.clearing import funding_amount
from tidemill.pages.tables import cost_rows
from tidemill.performance import as_statistics, measure
from tidemill.recording import SPOT_ONLY, RecordedFunding, RecordedSeries, Recording, hash_recording
from tidemill.settings import load_settings

D = Decimal
FEW = settings(max_examples=5, deadline=None)
MINUTE = timedelta(minutes=1)
BTC = "BTC-USDT.TEST"
EIGHT = START + 224 * HOUR
seeds = st.integers(0, 10**6)


def funding_of(instrument: str, rates: dict[datetime, float]) -> RecordedFunding:
    times = pd.DatetimeIndex(list(rates)).as_unit("us")
    return RecordedFunding(
        instrument=instrument, rates=pd.DataFrame({"event_time": times, "rate": list(rates.values())})
    )


def random_funding(seed: int, *, names: int = 2) -> tuple[RecordedFunding, ...]:
    """Every half hour near the end, at the decisions' own times as well; of the first instruments only."""
    chance = Random(seed)
    times = [START + HOUR * (BARS - 34) + 30 * MINUTE * number for number in range(64)]
    return tuple(
        funding_of(one.id, {when: round(chance.uniform(-0.002, 0.002), 8) for when in times})
        for one in INSTRUMENTS[:names]
    )


def funded(seed: int, *, holes: bool = False) -> Recording:
    return replace(make_recording(seed, holes=holes), funding=random_funding(seed))


# -- days by hand


OWN = """
from decimal import Decimal
from tidemill.forecasting import Targets
WANTED = {8: "5", 9: "5", 10: "2", 11: "0"}
def decide(view):
    wanted = WANTED.get(view.as_of.hour)
    return Targets(quantities={} if wanted is None else {"BTC-USDT.TEST": Decimal(wanted)})
"""
WIDE = {"max_position_fraction": 2, "max_order_fraction": 2, "max_volume_fraction": 2, "max_gross_fraction": 2}


def day(tmp_path: Path, rates: dict[datetime, float], **changes: object) -> tuple[Recording, BacktestPlan]:
    """Opens 100, 110, 120, 90 from 08:00 on; 5 bought at 08:01:30, 3 sold at 10:01:30, 2 at 11:01:30; no other cost."""
    recording = replace(golden_recording(), funding=(funding_of(BTC, rates),))
    (tmp_path / "own.py").write_text(OWN)
    free = {"slippage": "0", "fee_taker": "0", "fee_maker": "0", "participation": "1", "start_cash": "1000"}
    plan = plan_of(recording, str(tmp_path / "own.py"), risk=WIDE | {"price_cap_fraction": 0.5}, **free | changes)
    return recording, replace(plan, start=EIGHT, end=EIGHT + 4 * HOUR)


def paid(result: BacktestResult) -> list[tuple[timedelta, Decimal, Decimal | None, Decimal]]:
    return [(one.settled_at - EIGHT, one.quantity, one.mark, one.paid) for one in result.settlements]


RATES = {
    EIGHT: 0.01,  # nothing is held yet: the first order is sent at 08:01:30
    EIGHT + 30 * MINUTE: 0.0001,  # 5 x 100, the bar that closed at 08:00: 0.05 is paid
    EIGHT + 2 * HOUR: -0.0002,  # 5 x 120, the bar that closes at this moment: 0.12 is received, before 3 are sold
    EIGHT + 2 * HOUR + 2 * MINUTE: 0.000000000123,  # 2 x 120 = 2.952e-8: paid is 3e-8
    EIGHT + 3 * HOUR: -0.000000000123,  # 2 x 90 = 2.214e-8: received is 2e-8
    EIGHT + 3 * HOUR + 30 * MINUTE: 0.01,  # all is sold
}


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
    summary = result.as_dict("own")
    assert (summary["funding"], summary["funding_unsettled"]) == ("-0.06999999", [])
    statistics = as_statistics(measure(make_record(recording, plan, result)))
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
    assert result.as_dict("trend")["funding_unsettled"] == [
        {"instrument": "BBB-USD.TEST", "event_time": (first - 30 * MINUTE).strftime("%Y-%m-%dT%H:%M:%SZ")}
    ]
    record = make_record(recording, plan, result)
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


# -- what must hold


def drive(run: _Run, *, settles_at: type[Exchange] | None = None, books: bool = True) -> BacktestResult:
    """A backtest step by step; after each the ledger holds what the venue holds, to the last unit."""
    account = run.rules.account
    if settles_at is not None:
        run.exchange.__class__ = settles_at
    settle = run.funding.settle_next
    if not books:
        forgetful = replace_ledger(run)
        run.funding.settle_next = lambda desk, exchange: settle(forgetful(desk), exchange)
    run.mark(run.points[0])
    index = 0
    while index < len(run.points):
        index = run.go_on(index)
        same_as_venue(run)
    end = min(run.plan.end, run.history.bars["open_time"].max().to_pydatetime() + HOUR)
    run.move(end)
    run.mark(end)
    same_as_venue(run)
    return BacktestResult(
        decisions=tuple(run.ledger.load_decisions(account)),
        orders=tuple(run.ledger.load_orders(account=account)),
        fills=tuple(run.ledger.load_fills(account)),
        equity=tuple(run.equity),
        fees=ZERO,
        closing=run.ledger.load_portfolio(account),
        settlements=tuple(run.funding.done),
    )


def replace_ledger(run: _Run) -> Callable[[object], object]:
    """A desk whose ledger forgets the cash that it is told of."""

    class Forgetful:
        def record_cash_event(self, event: object, *, stamp: object) -> bool:
            return True

    return lambda desk: replace(desk, ledger=Forgetful())


def same_as_venue(run: _Run) -> None:
    held = {asset: one.total for asset, one in run.exchange.balances(run.rules.account).items()}
    assert run.ledger.load_portfolio(run.rules.account).assets == held


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


# -- what cannot settle it, says so


def test_an_asset_of_two_instruments_is_refused() -> None:
    recording = make_recording(1)
    twin = replace(recording.series[0], instrument=replace(INSTRUMENTS[0], venue="FUTURES"))
    both = replace(recording, series=(*recording.series, twin), funding=(funding_of(twin.instrument.id, RATES),))
    with pytest.raises(DataError, match=r"AAA-USD\.FUTURES has funding rates, and AAA-USD\.TEST holds AAA as well"):
        run_backtest(both, plan_of(both))


def test_the_fast_speed_and_the_wire_refuse_it_by_name() -> None:
    recording = funded(1)
    with pytest.raises(DataError) as caught:
        run_fast_backtest(recording, plan_of(recording))
    assert str(caught.value) == (
        "the fast speed settles no funding, and the recording 'random' has funding rates of AAA-USD.TEST, "
        "BBB-USD.TEST; use tidemill backtest at speed exact, or leave [[funding]] out"
    )
    with pytest.raises(DataError, match="the paper venue speaks a spot protocol, which settles no funding"):
        recording.need_no_funding(SPOT_ONLY)
    plain = make_recording(1)
    assert plain.need_no_funding(SPOT_ONLY) is plain


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    """The golden prices with two rates, as files."""
    recording = golden_recording()
    recording.series[0].bars.to_parquet(tmp_path / "bars.parquet")
    (tmp_path / "rates.csv").write_text("time,rate\n2021-04-10T08:30:00Z,0.0001\n2021-04-10T11:00:00Z,-0.01\n")
    named = 'venue = "TEST"\ninstrument = "BTC-USDT"\n'
    steps = 'price_step = "0.01"\nlot_step = "0.001"\nmin_notional = "5"\n'
    path = tmp_path / "perpetual.toml"
    path.write_text(
        f'title = "perpetual"\ncalendar = "24x7"\n[[bars]]\n{named}timeframe = "1h"\nfile = "bars.parquet"\n{steps}'
        f'[[funding]]\n{named}file = "rates.csv"\nrename = {{ time = "event_time" }}\n'
    )
    return path


def typed(*words: str, code: int) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output + repr(done.exception)
    return str(done.exception or "")


@pytest.mark.parametrize(
    "words",
    [("demo", "--data"), ("parity", "--data"), ("venue", "--recording"), ("backtest", "--speed", "fast", "--data")],
)
def test_commands_that_cannot_settle_say_so_in_one_sentence(
    on_disk: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(on_disk.parent / "home"))
    said = typed(*words, str(on_disk), code=1)
    assert said.endswith(
        "settles no funding, and the recording 'perpetual' has funding rates of BTC-USDT.TEST; "
        "use tidemill backtest at speed exact, or leave [[funding]] out"
    )


def test_backtest_settles_from_files_and_import_keeps_the_rates(on_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, out = on_disk.parent / "home", on_disk.parent / "out.json"
    monkeypatch.setenv("TIDEMILL_HOME", str(home))
    (on_disk.parent / "own.py").write_text(OWN)
    span = ("--from", "2021-04-10T08:00:00Z", "--to", "2021-04-10T12:00:00Z")
    with using(Services(load_settings(home=home))) as known:
        typed(
            "backtest",
            "--data",
            str(on_disk),
            "--strategy",
            str(on_disk.parent / "own.py"),
            *span,
            "--json",
            str(out),
            code=0,
        )
        told_of = json.loads(out.read_text())
        assert D(told_of["funding"]) != 0
        assert D(told_of["statistics"]["costs"]["funding"]) == D(told_of["funding"])
        typed("data", "import", str(on_disk), "--json", str(out), code=0)
        imported = json.loads(out.read_text())
        assert (imported["series"][0]["stored"], imported["posts"], imported["funding"]) == (BARS, 0, 2)
        kept = known.records.read_records(RecordKind.FUNDING, [BTC], START, START + BARS * HOUR)
        assert list(kept["rate"]) == [0.0001, -0.01]
        typed("data", "import", str(on_disk), "--json", str(out), code=0)
        assert json.loads(out.read_text())["funding"] == 0
        known.close()


def test_other_rates_are_other_data() -> None:
    plain, one = make_recording(1), funded(1)
    other = replace(one, funding=random_funding(2))
    assert len({hash_recording(some) for some in (plain, one, other)}) == 3
    assert hash_recording(one) == hash_recording(replace(one, funding=one.funding[::-1]))


def test_rates_in_code_are_checked_as_those_in_files() -> None:
    for rates, words in (
        ({}, "has no funding rate"),
        ({EIGHT + HOUR: 0.1, EIGHT: 0.1}, "must ascend"),
        ({EIGHT: 1.0}, "no fraction"),
        ({EIGHT: np.nan}, "no fraction"),
    ):
        with pytest.raises(DataError, match=words):
            funding_of(BTC, rates)
