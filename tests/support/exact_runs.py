"""Small random recordings and their exact backtests, for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from tidemill.backtest import BacktestPlan, BacktestResult
from tidemill.bootstrap import make_backtest_plan, recorded_settings
from tidemill.domain.market import Instrument
from tidemill.domain.trading import Fill, Side
from tidemill.recording import RecordedSeries, Recording
from tidemill.recording.traded import make_grid
from tidemill.settings import load_settings

START = datetime(2021, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BARS = 230


def make_instrument(base: str, price_step: str, lot_step: str) -> Instrument:
    return Instrument(
        venue="TEST",
        base=base,
        quote="USD",
        price_step=Decimal(price_step),
        lot_step=Decimal(lot_step),
        min_notional=Decimal(5),
    )


INSTRUMENTS = (
    make_instrument("AAA", "0.01", "0.001"),
    make_instrument("BBB", "0.1", "0.01"),
    make_instrument("CCC", "0.001", "1"),
)


def make_series(instrument: Instrument, seed: int, *, hole: bool = False) -> RecordedSeries:
    """Hourly bars of a wild walk, prices on the step; with ``hole`` three bars near the end are missing."""
    random = np.random.default_rng([seed, ord(instrument.base[0])])
    step = float(instrument.price_step)
    walk = 100 * np.exp(np.cumsum(random.normal(0, 0.02, BARS + 1)))
    prices = np.round(np.round(walk / step) * step, 6)
    opens, closes = prices[:-1], prices[1:]
    spread = np.round(np.round(np.abs(random.normal(0, 0.5, BARS)) / step) * step, 6)
    bars = pd.DataFrame(
        {
            "open_time": pd.DatetimeIndex([START + HOUR * number for number in range(BARS)]).as_unit("us"),
            "open": opens,
            "high": np.round(np.maximum(opens, closes) + spread, 6),
            "low": np.round(np.maximum(np.minimum(opens, closes) - spread, step), 6),
            "close": closes,
            "volume": np.round(np.exp(random.uniform(4, 9, BARS)), 3),
        }
    )
    if hole:
        bars = bars.drop(index=range(BARS - 20, BARS - 17)).reset_index(drop=True)
    return RecordedSeries(instrument=instrument, timeframe="1h", bars=bars)


def make_recording(seed: int, *, holes: bool = False) -> Recording:
    series = tuple(make_series(one, seed, hole=holes) for one in INSTRUMENTS)
    return Recording(title="random", calendar="24x7", series=series)


def plan_of(
    recording: Recording, strategy: str = "trend", *, points: int = 24, every: str | None = None, **changes: object
) -> BacktestPlan:
    """The last ``points`` hours of a recording but four."""
    chosen = recorded_settings(load_settings(**changes), recording, strategy)
    grid = make_grid(recording, every, chosen.decision_delay_seconds)
    end = START + HOUR * (BARS - 4)
    return make_backtest_plan(chosen, recording, grid, start=end - HOUR * points, end=end)


def golden_recording() -> Recording:
    """Flat at 100 for nine days; then opens 100, 110, 120, 90 from 08:00 on, and 50 units traded in each bar."""
    instrument = replace(make_instrument("BTC", "0.01", "0.001"), quote="USDT")
    opens = [100.0] * BARS
    opens[224:228] = [100.0, 110.0, 120.0, 90.0]
    closes = [*opens[1:], opens[-1]]
    bars = pd.DataFrame(
        {
            "open_time": pd.DatetimeIndex([START + HOUR * number for number in range(BARS)]).as_unit("us"),
            "open": opens,
            "high": [max(pair) for pair in zip(opens, closes, strict=True)],
            "low": [min(pair) for pair in zip(opens, closes, strict=True)],
            "close": closes,
            "volume": [50.0 + number % 2 for number in range(BARS)],
        }
    )
    series = RecordedSeries(instrument=instrument, timeframe="1h", bars=bars)
    return Recording(title="golden", calendar="24x7", series=(series,))


def movements(fill: Fill) -> dict[str, Decimal]:
    """What a fill moves, told apart from the code under test."""
    base, quote = fill.instrument.split(".")[0].split("-")
    sign = 1 if fill.side is Side.BUY else -1
    moved = {base: sign * fill.quantity, quote: -sign * fill.quantity * fill.price}
    moved[fill.fee_asset] -= fill.fee
    return moved


def told(result: BacktestResult) -> list[tuple[object, ...]]:
    """Everything that was decided and done, but for the ids that a position in a list gives."""
    times = {one.decision_id: one.as_of for one in result.decisions}
    return sorted(
        (
            times[one.intent.decision_id],
            one.intent.instrument,
            str(one.intent.side),
            one.quantity,
            one.filled,
            str(one.state),
        )
        for one in result.orders
    )
