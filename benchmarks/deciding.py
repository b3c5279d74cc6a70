"""From stored bars to recorded intents: a live decision, and the exact backtest of the bundled prices."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from benchmarks.timing import Options, Row, median_seconds

TITLE = "Decisions"


def rows(_options: Options) -> list[Row]:
    return [
        Row("a decision for 50 instruments, stored bars to recorded intents", f"{decision_of_fifty():.3f} s", "0.5 s"),
        Row("exact backtest of 12 bundled sessions, posts scored anew", f"{backtest_of_the_bundle():.2f} s"),
    ]


def decision_of_fifty() -> float:
    """Seconds of one decision for 50 instruments from stored bars to recorded intents, without Prefect."""
    from tidemill.adapters.machine.environment import this_environment
    from tidemill.adapters.sql.ledger.ledger import SqlLedger
    from tidemill.adapters.sql.market.store import SqlMarketStore
    from tidemill.decision import DecisionInputs, DecisionRules, PlainSteps, build_decision, load_market, think
    from tidemill.domain.market import DecisionGrid, Instrument, Stamp
    from tidemill.domain.portfolio import Account
    from tidemill.risk import Limits
    from tidemill.sizing import SizingPolicy

    start, count = datetime(2021, 1, 1, tzinfo=UTC), 240
    cent = Decimal("0.01")
    made = [Instrument(venue="T", base=f"A{n}", quote="USD", price_step=cent, lot_step=cent) for n in range(50)]
    random = np.random.default_rng(1)
    times = pd.DatetimeIndex([start + timedelta(hours=hour) for hour in range(count)]).as_unit("us")
    frames = []
    for one in made:
        close = np.round(100 * np.exp(np.cumsum(random.normal(0.0005, 0.01, count))), 2)
        prices = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 1e6}
        known = times + pd.Timedelta(hours=1, seconds=1)
        frames.append(
            pd.DataFrame({"instrument": one.id, "open_time": times, **prices, "knowledge_time": known, "assumed": True})
        )
    rules = DecisionRules(
        account="a",
        strategy="trend",
        mode="paper",
        grid=DecisionGrid(timeframe="1h", delay_seconds=90),
        universe=tuple(one.id for one in made),
        instruments={one.id: one for one in made},
        sizing=SizingPolicy(volatility_target_annual=0.25, max_instrument_fraction=0.4, buffer_fraction=0.1),
        limits=Limits(
            max_gross_fraction=Decimal("0.95"),
            max_position_fraction=Decimal("0.4"),
            max_order_fraction=Decimal("0.25"),
            max_volume_fraction=Decimal("0.05"),
            max_drawdown=Decimal("0.25"),
        ),
        price_cap_fraction=Decimal("0.02"),
        scorer="vader-1",
    )
    as_of = rules.grid.as_of(start + timedelta(hours=count))
    stamp = Stamp(market=as_of, wall=as_of)
    with tempfile.TemporaryDirectory() as folder:
        store = SqlMarketStore(f"sqlite:///{folder}/market.db")
        store.write_bars("1h", pd.concat(frames, ignore_index=True), now=start)
        ledger = SqlLedger(f"sqlite:///{folder}/ops.db")
        account = Account(account="a", venue="T", currency="USD", opened_at=start)
        ledger.open_account(account, {"USD": Decimal(100_000)}, stamp=stamp)
        epoch = ledger.acquire("a", "bench", ttl_seconds=1e6, now=as_of) or 0
        environment = this_environment()
        attempt = iter(range(1000))

        def decide() -> None:
            key = rules.key(as_of, next(attempt))
            market = load_market(rules, as_of, store, store)
            portfolio = ledger.load_portfolio("a")
            inputs = DecisionInputs(key=key, market=market, champion=None, portfolio=portfolio, stopped={})
            draft = think(PlainSteps(rules), inputs)
            decision = build_decision(rules, key, draft, stamp=stamp, environment=environment, stopped={})
            assert draft.plan.intents
            assert ledger.record_decision(decision, draft.plan.intents, epoch=epoch)

        return median_seconds(decide)


def backtest_of_the_bundle() -> float:
    """Seconds of the exact backtest of 12 bundled sessions with the trend rule."""
    from tidemill.backtest import run_backtest
    from tidemill.bootstrap import prepare_backtest
    from tidemill.research.requests import BacktestRequest
    from tidemill.settings import load_settings

    settings = load_settings()
    request = BacktestRequest(data=None, start=None, end=None, strategy="trend", every=None)
    return median_seconds(lambda: run_backtest(*prepare_backtest(settings, request)), runs=3)
