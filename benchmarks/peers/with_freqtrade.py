"""freqtrade on one workload, without network: `python with_freqtrade.py ARRAYS P1|P2`.

P1 is the whole year of minutes. P2 takes minutes a year, so its first days alone are run and the share is told;
each day's positions are adjusted to their weights of the wallet.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import freqtrade
import numpy as np
import pandas as pd
from freqtrade.enums import CandleType, RunMode
from freqtrade.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.persistence import LocalTrade
from freqtrade.resolvers import StrategyResolver
from freqtrade.strategy import IStrategy
from workloads import CASH, DAY, FEE, STAKE, crosses, daily_weights, load, tell, timed

DAYS_OF_P2 = 60
WHICH = sys.argv[2]
arrays = load("m1" if WHICH == "P1" else "h1")
columns = arrays["c"].shape[1]
PAIRS = [f"C{number:02d}/USDT" for number in range(columns)]
weights = daily_weights(arrays["c"]) if WHICH == "P2" else np.empty((0, 0))
rows = len(arrays["ts"]) if WHICH == "P1" else DAYS_OF_P2 * DAY


class Common(IStrategy):
    """What both strategies do not use."""

    INTERFACE_VERSION = 3
    can_short = False
    minimal_roi: dict[str, float] = {}
    stoploss = -0.9999
    startup_candle_count = 0
    process_only_new_candles = True
    use_exit_signal = True

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        return dataframe


class Cross(Common):
    """P1: enter and leave where two means cross."""

    timeframe = "1m"

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        dataframe["enter_long"] = crosses(dataframe["close"].to_numpy())[0].astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        dataframe["exit_long"] = crosses(dataframe["close"].to_numpy())[1].astype(int)
        return dataframe


class Rebalance(Common):
    """P2: once a day each position is moved to its weight of all there is."""

    timeframe = "1h"
    position_adjustment_enable = True

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        enter = np.zeros(len(dataframe), dtype=int)
        enter[8 * DAY - 1] = 1
        dataframe["enter_long"] = enter
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        dataframe["exit_long"] = 0
        return dataframe

    def wanted(self, pair: str, moment: datetime) -> float:
        hours = (int(moment.timestamp() * 1000) - int(arrays["ts"][0])) // 3_600_000
        return float(weights[hours // DAY, PAIRS.index(pair)]) * self.wallets.get_total_stake_amount()

    def custom_stake_amount(self, pair: str, current_time: datetime, **_: Any) -> float:
        return self.wanted(pair, current_time)

    def adjust_trade_position(
        self, trade: LocalTrade, current_time: datetime, current_rate: float, **_: Any
    ) -> float | None:
        if current_time.hour:
            return None
        change = self.wanted(trade.pair, current_time) - trade.amount * current_rate
        return change if abs(change) > 0 else None


def market(pair: str) -> dict[str, Any]:
    base = pair.partition("/")[0]
    ends = {"min": None, "max": None}
    return {
        "id": pair.replace("/", ""), "symbol": pair, "base": base, "quote": "USDT", "active": True, "spot": True,
        "swap": False, "future": False, "linear": None, "type": "spot", "contractSize": None, "taker": FEE,
        "maker": FEE, "precision": {"amount": 1e-8, "price": 1e-8}, "limits": {"amount": ends, "cost": ends,
        "price": ends, "leverage": ends}, "info": {},
    }  # fmt: skip


def make_engine(folder: str) -> Backtesting:
    (Path(folder) / "data").mkdir(exist_ok=True)
    strategy = Cross if WHICH == "P1" else Rebalance
    StrategyResolver._load_strategy = staticmethod(lambda _name, config, extra_dir=None: strategy(config))
    config: dict[str, Any] = {
        "exchange": {"name": "binance", "pair_whitelist": PAIRS, "pair_blacklist": [], "key": "", "secret": ""},
        "stake_currency": "USDT", "stake_amount": STAKE if WHICH == "P1" else "unlimited", "dry_run": True,
        "dry_run_wallet": CASH, "max_open_trades": len(PAIRS),
        "order_time_in_force": {"entry": "GTC", "exit": "GTC"}, "tradable_balance_ratio": 1.0,
        "timeframe": strategy.timeframe, "runmode": RunMode.BACKTEST, "fee": FEE, "trading_mode": "spot",
        "margin_mode": "", "candle_type_def": CandleType.SPOT, "pairlists": [{"method": "StaticPairList"}],
        "datadir": Path(folder) / "data", "user_data_dir": Path(folder), "dataformat_ohlcv": "feather",
        "export": "none", "stoploss": -0.9999, "minimal_roi": {},
        "entry_pricing": {"price_side": "other"}, "exit_pricing": {"price_side": "other"},
        "strategy": strategy.__name__, "internals": {}, "unfilledtimeout": {"entry": 10, "exit": 10, "unit": "minutes"},
        "order_types": {"entry": "market", "exit": "market", "stoploss": "market", "stoploss_on_exchange": False},
    }  # fmt: skip
    exchange = Exchange(config, validate=False)
    exchange._markets = {pair: market(pair) for pair in PAIRS}
    engine = Backtesting(config, exchange)
    engine._set_strategy(engine.strategylist[0])
    return engine


def frames() -> dict[str, pd.DataFrame]:
    dates = pd.to_datetime(arrays["ts"][:rows], unit="ms", utc=True)
    names = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
    return {
        pair: pd.DataFrame({"date": dates} | {name: arrays[key][:rows, at].copy() for name, key in names.items()})
        for at, pair in enumerate(PAIRS)
    }


with tempfile.TemporaryDirectory() as folder:
    engine = make_engine(folder)
    found: dict[str, Any] = {}
    ends = [datetime.fromisoformat(f"{pd.to_datetime(arrays['ts'][at], unit='ms')}+00:00") for at in (0, rows - 1)]
    prepared: dict[str, pd.DataFrame] = {}
    signals = timed(lambda: prepared.update(engine.strategy.advise_all_indicators(frames())))
    seconds = timed(lambda: found.update(engine.backtest(prepared, *ends)))
    trades = found["results"]
    tell(
        name="freqtrade",
        version=freqtrade.__version__,
        engine_seconds=seconds,
        total_seconds=seconds + signals,
        equity=float(found["final_balance"]),
        orders=len(trades) if WHICH == "P1" else sum(len(one) for one in trades["orders"]),
        share=rows / len(arrays["ts"]),
    )
