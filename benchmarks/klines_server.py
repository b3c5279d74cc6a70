"""A small exchange on loopback: exchange information and klines of Binance's protocol, from text made beforehand.

`python -m benchmarks.klines_server K1.npz` prints {"rest": URL} and serves until it is stopped or its parent is
gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from bisect import bisect_left, bisect_right
from urllib.parse import parse_qs, urlsplit

import numpy as np

MINUTE_MS = 60_000


class Series:
    """One symbol's klines: their text, and where each row begins in it."""

    def __init__(self, opens: list[int], rows: list[bytes]) -> None:
        self.opens = opens
        self._text = b"".join(row + b"," for row in rows)
        self._begins = [0, *np.cumsum([len(row) + 1 for row in rows]).tolist()]

    def page(self, start: int, end: int, limit: int) -> bytes:
        first = bisect_left(self.opens, start)
        last = min(bisect_right(self.opens, end), first + limit)
        if first >= last:
            return b"[]"
        return b"[" + self._text[self._begins[first] : self._begins[last] - 1] + b"]"


def load(path: str) -> dict[str, Series]:
    with np.load(path) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    opens = found["ts"].tolist()
    made = {}
    for index, symbol in enumerate(found["sym"].tolist()):
        columns = [[f"{value:.8f}" for value in found[name][:, index].tolist()] for name in "ohlcv"]
        rows = [
            f'[{opened},"{o}","{h}","{low}","{c}","{v}",{opened + MINUTE_MS - 1},"{v}",100,"{v}","{v}","0"]'.encode()
            for opened, o, h, low, c, v in zip(opens, *columns, strict=True)
        ]
        made[symbol.replace("/", "")] = Series(opens, rows)
    return made


def exchange_info(symbols: list[str]) -> bytes:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.00000001", "maxPrice": "1000000", "tickSize": "0.00000001"},
        {"filterType": "LOT_SIZE", "minQty": "0.00000001", "maxQty": "1000000", "stepSize": "0.00000001"},
    ]
    rows = [
        {
            "symbol": name,
            "status": "TRADING",
            "baseAsset": name.removesuffix("USDT"),
            "quoteAsset": "USDT",
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT"],
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "permissions": ["SPOT"],
            "permissionSets": [["SPOT"]],
            "filters": filters,
        }
        for name in symbols
    ]
    return json.dumps({"timezone": "UTC", "serverTime": 0, "rateLimits": [], "symbols": rows}).encode()


async def serve(path: str) -> None:
    series = load(path)
    info = exchange_info(list(series))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await read_head(reader):
            asked = urlsplit(head.split(b" ")[1].decode())
            body = info
            if asked.path.endswith("/klines"):
                query = {name: values[0] for name, values in parse_qs(asked.query).items()}
                end = int(query.get("endTime", 2**62))
                body = series[query["symbol"]].page(int(query.get("startTime", 0)), end, int(query.get("limit", 500)))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"rest": f"http://127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(wait_for_the_end, os.getppid())
    server.close()


def wait_for_the_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)


async def read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
