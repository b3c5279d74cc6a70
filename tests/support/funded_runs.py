"""Recordings with funding rates, and backtests of them watched step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st
from support.exact_runs import (
    BARS,
    HOUR,
    INSTRUMENTS,
    START,
    golden_recording,
    make_recording,
    plan_of,
)

from tidemill.backtest import BacktestPlan, BacktestResult
from tidemill.backtest.run import _Run
from tidemill.domain.portfolio import ZERO
from tidemill.matching import Exchange
from tidemill.recording import RecordedFunding, Recording

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


# -- step by step
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
