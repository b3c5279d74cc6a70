"""Which raw messages of a stream are kept, for which bars and trades, and in what blocks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tidemill.adapters.ccxt._raw_messages import BLOCK_BYTES, Blocks, RawMessages

MINUTE = 60_000
BTC, ETH = "BTC-USDT.T", "ETH-USDT.T"
SYMBOLS = {BTC: "BTC/USDT", ETH: "ETH/USDT"}


@dataclass
class Client:
    """What a ccxt client remembers of its streams; ``read`` takes a message in as ccxt does."""

    ohlcvs: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)
    trades: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def read(self, text: str) -> str:
        told = json.loads(text)
        if "bar" in told:
            rows = self.ohlcvs.setdefault(told["symbol"], {}).setdefault("1m", [])
            if rows and rows[-1][0] == told["bar"][0]:
                rows[-1] = told["bar"]
            else:
                rows.append(told["bar"])
        if "trade" in told:
            self.trades.setdefault(told["symbol"], []).append({"id": told["trade"], "timestamp": 1})
        return text


class Line:
    """A client and what listens beside it."""

    def __init__(self) -> None:
        self.client = Client()
        self.raw = RawMessages(self.client, SYMBOLS, "1m")

    def tell(self, **message: Any) -> str:
        text = self.client.read(json.dumps(message))
        self.raw.collect_page(text)
        return text

    def bar(self, symbol: str, minute: int, close: float) -> str:
        return self.tell(symbol=symbol, bar=[minute * MINUTE, 1.0, 2.0, 0.5, close, 3.0])


def test_the_last_message_of_each_closed_bar_is_kept_and_no_other() -> None:
    line = Line()
    line.bar("BTC/USDT", 0, 1.0)
    line.tell(heartbeat=True)
    last = line.bar("BTC/USDT", 0, 1.5)
    line.tell(heartbeat=True)
    line.bar("ETH/USDT", 0, 9.0)
    running = line.bar("BTC/USDT", 1, 1.6)
    assert line.raw.take_bars(BTC, [0]) == [last]
    assert line.raw.take_bars(BTC, [0]) == [], "once"
    line.bar("BTC/USDT", 2, 1.7)
    assert line.raw.take_bars(BTC, [MINUTE]) == [running]


def test_a_bar_that_was_cut_off_has_no_message() -> None:
    line = Line()
    line.bar("BTC/USDT", 0, 1.0)
    line.raw.forget(BTC)
    line.bar("BTC/USDT", 1, 1.6)
    assert line.raw.take_bars(BTC, [0]) == []


def test_messages_of_trades_are_those_since_the_last_look() -> None:
    line = Line()
    told = [line.tell(symbol="BTC/USDT", trade=str(number)) for number in range(3)]
    other = line.tell(symbol="ETH/USDT", trade="9")
    assert line.raw.take_trades(BTC) == told
    assert line.raw.take_trades(BTC) == []
    assert line.raw.take_trades(ETH) == [other]


def test_blocks_hold_messages_together_by_kind_and_instrument() -> None:
    kept: list[Any] = []
    blocks = Blocks(kept.append)
    blocks.add(f"bars {BTC}", ["a"])
    blocks.add(f"trades {BTC}", ["b", "c"])
    blocks.add(f"bars {BTC}", ["d"])
    blocks.add(f"bars {ETH}", [])
    blocks.hand_over()
    assert kept == [], "not yet"
    blocks.hand_over(at_once=True)
    assert kept == [[(f"bars {BTC} by stream", b"a\nd"), (f"trades {BTC} by stream", b"b\nc")]]
    blocks.hand_over(at_once=True)
    assert len(kept) == 1
    blocks.add(f"bars {BTC}", ["x" * BLOCK_BYTES])
    blocks.hand_over()
    assert len(kept) == 2, "a large block does not wait"


def test_without_anybody_who_keeps_them_nothing_is_held() -> None:
    blocks = Blocks(None)
    blocks.add(f"bars {BTC}", ["x" * BLOCK_BYTES] * 3)
    assert not blocks._waiting
