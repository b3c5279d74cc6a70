"""freqtrade's own download of klines from an exchange on loopback: `python with_freqtrade_download.py REST START DAYS`.

What `freqtrade download-data` calls once it has read its settings, with its pauses between requests off and its short
way over the exchange's archives, which is not on loopback.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import freqtrade
from freqtrade.configuration import TimeRange
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.data.history.history_utils import refresh_backtest_ohlcv_data
from freqtrade.enums import CandleType, RunMode
from freqtrade.resolvers import ExchangeResolver
from workloads import tell, timed

REST, START, DAYS = sys.argv[1], datetime.fromisoformat(sys.argv[2]), int(sys.argv[3])


def make_exchange() -> Any:
    base = dict.fromkeys(("public", "private", "v1", "sapi"), f"{REST}/api/v3")
    client: dict[str, Any] = {
        "urls": {"api": base},
        "enableRateLimit": False,
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False},
    }
    config: dict[str, Any] = {
        "exchange": {
            "name": "binance", "key": "", "secret": "", "pair_whitelist": [], "pair_blacklist": [],
            "ccxt_config": client, "ccxt_async_config": client, "only_from_ccxt": True,
        },
        "stake_currency": "USDT", "dry_run": True, "trading_mode": "spot", "margin_mode": "",
        "candle_type_def": CandleType.SPOT, "runmode": RunMode.UTIL_EXCHANGE, "entry_pricing": {}, "exit_pricing": {},
    }  # fmt: skip
    exchange = ExchangeResolver.load_exchange(config, validate=False)
    exchange.reload_markets(True)
    return exchange


with tempfile.TemporaryDirectory() as folder:
    exchange = make_exchange()
    pairs = sorted(exchange.markets)
    end = START + timedelta(days=DAYS)
    timerange = TimeRange("date", "date", int(START.timestamp()), int(end.timestamp()))
    missing: list[str] = []

    def download() -> None:
        missing.extend(
            refresh_backtest_ohlcv_data(
                exchange,
                pairs=pairs,
                timeframes=["1m"],
                datadir=Path(folder),
                timerange=timerange,
                data_format="feather",
                trading_mode="spot",
            )
        )

    seconds = timed(download)
    handler = get_datahandler(Path(folder), "feather")
    bars = sum(len(handler.ohlcv_load(pair, "1m", CandleType.SPOT)) for pair in pairs)
    exchange.close()
    if missing:
        raise SystemExit(f"{len(missing)} pairs were not there")
    tell(version=f"freqtrade {freqtrade.__version__}", seconds=seconds, bars=bars)
