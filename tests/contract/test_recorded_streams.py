"""Streams of other venues than Binance, in their recorded words, through ccxt's parsers and our stream adapter.

Each venue says five times what was recorded of it: three bars of which two are told twice before the next begins, and
trades; only the times, the closes and the ids are counted on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from support.binance_wire import recorded
from support.stream_double import StreamDouble, saying
from support.wire_double import serving

from tidemill.adapters.ccxt.client import MarketAccess
from tidemill.adapters.ccxt.stream import CcxtStream
from tidemill.domain.errors import ConfigurationError
from tidemill.memory.clocks import ManualClock

pytestmark = [pytest.mark.wire, pytest.mark.data]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
START = datetime(2025, 12, 31, tzinfo=UTC)
TOLD = ((0, 1), (0, 2), (1, 3), (1, 4), (2, 5))
"""(bar, message) in the order in which they are told."""


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """How a venue tells things; ``bar`` and ``trade`` make one of what was recorded, by number."""

    rest: dict[str, Any]
    instrument: str
    timeframe: str
    length: timedelta
    bar: Callable[[datetime, float], dict[str, Any]]
    trade: Callable[[int], dict[str, Any]]
    asks_bars: Callable[[dict[str, Any]], bool]
    asks_trades: Callable[[dict[str, Any]], bool]
    answer: Callable[[dict[str, Any]], list[dict[str, Any]]] = lambda _: []

    def open_of(self, number: int) -> datetime:
        return START + number * self.length

    def said(self, message: dict[str, Any]) -> list[str]:
        found = self.answer(message)
        if self.asks_bars(message):
            found += [self.bar(self.open_of(bar), 100.0 + told) for bar, told in TOLD]
        if self.asks_trades(message):
            found += [self.trade(number) for number in range(3)]
        return [json.dumps(one) for one in found]


def millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def changed(name: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    made = deepcopy(recorded(name))
    change(made)
    return made


def bybit() -> Spoken:
    def bar(opened: datetime, close: float) -> dict[str, Any]:
        row = {"start": millis(opened), "end": millis(opened) + 299_999, "close": str(close)}
        return changed("bybit/ws_kline.json", lambda told: told["data"][0].update(row))

    def trade(number: int) -> dict[str, Any]:
        def change(told: dict[str, Any]) -> None:
            told["topic"] = "publicTrade.BTCUSDT"  # recorded before its name was this
            told["data"][0] |= {"i": f"t{number}", "T": millis(START) + number}

        return changed("bybit/ws_public_trade.json", change)

    def asks(topic: str) -> Callable[[dict[str, Any]], bool]:
        return lambda message: any(one.startswith(topic) for one in message.get("args", ()))

    return Spoken(
        rest={"instruments-info": recorded("bybit/http_get_instruments_spot.json")},
        instrument="BTC-USDT.BYBIT",
        timeframe="5m",
        length=timedelta(minutes=5),
        bar=bar,
        trade=trade,
        asks_bars=asks("kline.5.BTCUSDT"),
        asks_trades=asks("publicTrade.BTCUSDT"),
        answer=lambda message: [
            {**recorded("bybit/ws_subscription_ack.json"), "req_id": message["req_id"]},
        ],
    )


def kraken() -> Spoken:
    def bar(opened: datetime, close: float) -> dict[str, Any]:
        row = {"symbol": "BTC/USDT", "interval_begin": f"{opened:%Y-%m-%dT%H:%M:%S}.000000000Z", "close": close}
        return changed("kraken/ws_ohlc_update.json", lambda told: told["data"][0].update(row))

    def trade(number: int) -> dict[str, Any]:
        def change(told: dict[str, Any]) -> None:
            told["data"] = told["data"][:1]
            told["data"][0] |= {"symbol": "BTC/USDT", "trade_id": number}

        return changed("kraken/ws_trade_update.json", change)

    def asks(channel: str) -> Callable[[dict[str, Any]], bool]:
        return lambda message: message.get("params", {}).get("channel") == channel

    return Spoken(
        rest={
            "AssetPairs": recorded("kraken/http_asset_pairs.json"),
            "Assets": {"error": [], "result": {}},
        },
        instrument="BTC-USDT.KRAKEN",
        timeframe="1m",
        length=timedelta(minutes=1),
        bar=bar,
        trade=trade,
        asks_bars=asks("ohlc"),
        asks_trades=asks("trade"),
    )


def okx() -> Spoken:
    def bar(opened: datetime, close: float) -> dict[str, Any]:
        def change(told: dict[str, Any]) -> None:
            told["arg"] = {"channel": "candle1H", "instId": "BTC-USD"}
            told["data"][0][0], told["data"][0][4] = str(millis(opened)), str(close)

        return changed("okx/ws_candle.json", change)

    def trade(number: int) -> dict[str, Any]:
        row = {"tradeId": str(number), "ts": str(millis(START) + number)}
        return changed("okx/ws_trades.json", lambda told: told["data"][0].update(row))

    def asks(channel: str) -> Callable[[dict[str, Any]], bool]:
        return lambda message: any(one["channel"] == channel for one in message.get("args", ()))

    return Spoken(
        rest={"instruments": recorded("okx/http_get_instruments_spot.json")},
        instrument="BTC-USD.OKX",
        timeframe="1h",
        length=timedelta(hours=1),
        bar=bar,
        trade=trade,
        asks_bars=asks("candle1H"),
        asks_trades=asks("trades"),
    )


VENUES = {"bybit": bybit, "kraken": kraken, "okx": okx}
Line = tuple[Spoken, StreamDouble, CcxtStream, list[tuple[str, bytes]]]


@pytest.fixture(params=list(VENUES))
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    """A venue that speaks as it was recorded, our stream of it, and the raw messages that were kept."""
    spoken = VENUES[request.param]()
    kept: list[tuple[str, bytes]] = []
    with serving(spoken.rest) as rest, saying(spoken.said) as double:
        stream = CcxtStream(
            request.param,
            venue=request.param.upper(),
            rest_url=rest.url,
            ws_url=double.url,
            market_clock=ManualClock(NOW),
            trades=True,
            on_payloads=kept.extend,
            timeout_seconds=5,
            access=MarketAccess(),
        )
        yield spoken, double, stream, kept
        stream.close()


def follow(line: Line) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Bars and trades until two and three are told, and what went wrong."""
    spoken, _, stream, _ = line
    bars: list[pd.DataFrame] = []
    trades: list[pd.DataFrame] = []
    broken: list[str] = []
    for part in stream.watch([spoken.instrument], spoken.timeframe, seconds=10):
        bars += [part.bars] if part.bars is not None and len(part.bars) else []
        trades += [part.trades] if part.trades is not None and len(part.trades) else []
        broken += [part.broken] if part.broken else []
        if broken or (sum(map(len, bars)) >= 2 and sum(map(len, trades)) >= 3):
            break
    return pd.concat(bars), pd.concat(trades), broken


def messages(kept: Sequence[tuple[str, bytes]], request: str) -> list[dict[str, Any]]:
    return [json.loads(text) for name, body in kept if name == request for text in body.decode().splitlines()]


def test_bars_and_trades_come_as_told_and_each_keeps_the_message_that_told_it(line: Line) -> None:
    spoken, double, _, kept = line
    bars, trades, broken = follow(line)
    assert broken == []
    assert list(bars["open_time"]) == [spoken.open_of(0), spoken.open_of(1)]
    assert list(bars["close"]) == [102.0, 104.0], "as each was told last"
    assert set(bars["instrument"]) == {spoken.instrument}
    assert (bars["knowledge_time"] == NOW).all()
    assert len(trades) == 3
    assert trades["trade_id"].is_unique
    assert set(trades["side"]) == {"buy"}
    assert messages(kept, f"bars {spoken.instrument} by stream") == [
        spoken.bar(spoken.open_of(0), 102.0),
        spoken.bar(spoken.open_of(1), 104.0),
    ]
    assert messages(kept, f"trades {spoken.instrument} by stream") == [spoken.trade(number) for number in range(3)]
    assert len(double.heard) >= 2


def test_a_venue_without_bars_by_stream_says_so_at_once() -> None:
    stream = CcxtStream("coinbase", venue="COINBASE", rest_url="http://127.0.0.1:1", market_clock=ManualClock(NOW))
    with pytest.raises(ConfigurationError, match="COINBASE tells no bars by stream"):
        next(iter(stream.watch(["BTC-USD.COINBASE"], "1h", seconds=1)))
    stream.close()
