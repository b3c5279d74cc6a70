"""What Binance's spot and futures markets tell on the wire, as far as market data need it; and recorded answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from support.locations import need
from support.wire_double import WireDouble

from tidemill.adapters.ccxt.client import MarketAccess
from tidemill.memory.clocks import ManualClock

Source = TypeVar("Source")
MINUTE_MS = 60_000


def of_perpetuals(
    source: Callable[..., Source], double: WireDouble, now: datetime, *, exchange: str = "binanceusdm", **more: Any
) -> Source:
    """A source of the linear perpetuals that ``double`` serves, at ``now``."""
    access = MarketAccess(kind="linear")
    return source(exchange, venue="FUTURES", rest_url=double.url, market_clock=ManualClock(now), access=access, **more)


def recorded(name: str) -> Any:
    """An answer of a venue as it was recorded."""
    return json.loads(need(f"api_payloads/{name}").read_text())


def spot(base: str) -> dict[str, Any]:
    """A spot market of ``base`` in USDT."""
    return {
        "symbol": f"{base}USDT",
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "permissionSets": [["SPOT"]],
        "filters": [*_steps("0.01"), {"filterType": "NOTIONAL", "minNotional": "5"}],
    }


def perpetual(base: str) -> dict[str, Any]:
    """A linear perpetual of ``base`` in USDT."""
    return {
        "symbol": f"{base}USDT",
        "pair": f"{base}USDT",
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "orderTypes": ["LIMIT", "MARKET"],
        "filters": [*_steps("0.10"), {"filterType": "MIN_NOTIONAL", "notional": "100"}],
    }


def _steps(tick: str) -> list[dict[str, str]]:
    return [
        {"filterType": "PRICE_FILTER", "tickSize": tick, "minPrice": tick, "maxPrice": "1000000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "9000"},
    ]


def klines(query: dict[str, str], volume: str = "10") -> list[list[Any]]:
    """Bars of one minute, as many as fit."""
    begin, end = int(query["startTime"]), int(query["endTime"])
    opens = range(-(-begin // MINUTE_MS) * MINUTE_MS, end + 1, MINUTE_MS)[: int(query["limit"])]
    return [[one, "1", "2", "0.5", "1.5", volume, one + MINUTE_MS - 1, "0", 1, "0", "0", "0"] for one in opens]
