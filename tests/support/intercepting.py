"""The real client of each venue, with a request that is seen and goes no further."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tidemill.adapters.ccxt._orders import (
    fill,
    outgoing,
    read_outgoing,
    run_call,
    send_order,
    sign_as_recorded,
    values_of,
)
from tidemill.adapters.ccxt.exchange import Connection, build_exchange
from tidemill.adapters.venues.capabilities import VenueCall, VenueCapability
from tidemill.domain.trading import OrderRequest, OrderType, Side, TimeInForce, intent_id

INTENT = intent_id(account="a", strategy="s", instrument="i", as_of=datetime(2026, 1, 1, tzinfo=UTC), attempt=0, leg=0)
# long past, so that a time taken from a clock cannot be mistaken for the recorded one
SENT_AT = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
REQUEST = OrderRequest(
    client_order_id=INTENT,
    instrument="BTC-USDT.X",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.IOC,
    quantity=Decimal("0.01"),
    limit_price=Decimal("10000.5"),
    sent_at=SENT_AT,
    window_ms=4321,
)
RAW_SYMBOLS = {
    "okx": "BTC-USDT",
    "coinbase": "BTC-USDT",
    "kucoin": "BTC-USDT",
    "gate": "BTC_USDT",
    "kraken": "XBTUSDT",
}
PLACES = {"symbol": "BTC/USDT", "venue_id": "123456789"}


class Stopped(Exception):
    """The request was seen and goes no further."""


def market_of(venue: str) -> dict[str, Any]:
    """As little of a market as the nine clients need."""
    return {
        "id": RAW_SYMBOLS.get(venue, "BTCUSDT"),
        "symbol": "BTC/USDT",
        "base": "BTC",
        "quote": "USDT",
        "baseId": "BTC",
        "quoteId": "USDT",
        "type": "spot",
        "spot": True,
        "active": True,
        "precision": {"amount": "0.00001", "price": "0.01"},
        "limits": {"amount": {}, "price": {}, "cost": {}},
        "info": {"orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"], "altname": "XBTUSDT"},
    }


class Intercepted:
    """The real client of a venue, made ready as the broker does, whose requests end here."""

    def __init__(self, row: VenueCapability) -> None:
        self.row = row
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    def run(self, work: Any) -> dict[str, str]:
        """The fields of the one request that ``work`` makes of the client."""
        asyncio.run(self.watch(work))
        ((self.method, self.url, fields),) = self.seen
        return fields

    async def watch(self, work: Any) -> None:
        """Let ``work`` use the client until its request is stopped."""
        exchange = build_exchange(
            self.row.exchange,
            Connection(rest_url="", key="key", secret="c2VjcmV0"),
            exact=True,
            options=self.row.options,
        )
        exchange.password = "words"
        exchange.set_markets([market_of(self.row.exchange)])
        exchange.fetch = self.stop
        sign_as_recorded(exchange, self.row)
        try:
            with pytest.raises(Stopped):
                await work(exchange)
        finally:
            await exchange.close()

    async def stop(self, url: str, method: str = "GET", headers: Any = None, body: Any = None, *_more: Any) -> None:
        self.seen.append((method, url, read_outgoing(url, headers, body)))
        raise Stopped

    def create(self, request: OrderRequest = REQUEST) -> dict[str, str]:
        return self.run(lambda exchange: send_order(exchange, self.row, "BTC/USDT", outgoing(request, self.row)))

    def call(self, call: VenueCall) -> dict[str, str]:
        return self.run(lambda exchange: run_call(exchange, call, self.values))

    @property
    def values(self) -> dict[str, str]:
        return values_of(REQUEST, self.row) | PLACES | {"raw_symbol": market_of(self.row.exchange)["id"]}

    def expect(self, call: VenueCall, fields: dict[str, str]) -> None:
        wanted = fill(call.carries, self.values)
        assert {name: fields.get(name) for name in wanted} == wanted
        assert self.url.partition("?")[0].endswith(call.path.format_map(self.values))
