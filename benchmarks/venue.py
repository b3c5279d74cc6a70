"""The paper venue alone: durable orders a second, and bars a second as klines, over keep-alive loopback.

`python -m benchmarks.venue` prints JSON. The client is raw sockets in a process of its own, so that the venue is
what is measured.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.timing import Options, Row

KEY, SECRET = "k1", "s1"
ORDERS, LINES, RUNS = 4000, 16, 3
PAGES, PAGE_ROWS = 400, 1000


class Line:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, rest: str) -> Line:
        parts = urlsplit(rest)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=2**21))

    async def ask(self, head: str, body: str = "") -> bytes:
        text = f"{head} HTTP/1.1\r\nHost: venue\r\nX-MBX-APIKEY: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        self._writer.write(text.encode())
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        found = await self._reader.readexactly(length)
        if b" 200 " not in answer.split(b"\r\n")[0]:
            raise RuntimeError(found.decode())
        return found

    def close(self) -> None:
        self._writer.close()


def order_body(name: str) -> str:
    """An IOC order off the market: accepted, expired, durable, and nothing rests to slow the next."""
    text = "symbol=AAPLUSD&side=BUY&type=LIMIT&timeInForce=IOC&quantity=1&price=1"
    text += f"&newClientOrderId={name}&timestamp={int(time.time() * 1000)}"
    return f"{text}&signature={hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()}"


async def orders_per_second(rest: str, lines: int, tag: str) -> float:
    """Acknowledged orders a second over ``lines`` connections."""
    opened = [await Line.open(rest) for _ in range(lines)]

    async def send(number: int, line: Line) -> None:
        for count in range(ORDERS // lines):
            await line.ask("POST /api/v3/order", order_body(f"{tag}-{number}-{count}"))

    began = time.perf_counter()
    await asyncio.gather(*(send(number, line) for number, line in enumerate(opened)))
    seconds = time.perf_counter() - began
    for line in opened:
        line.close()
    return ORDERS // lines * lines / seconds


async def bars_per_second(rest: str) -> float:
    """Bars a second in pages of a thousand, from text that is made already."""
    line = await Line.open(rest)
    head = f"GET /api/v3/klines?symbol=AAPLUSD&interval=1d&limit={PAGE_ROWS}&startTime="
    first = json.loads(await line.ask(f"{head}1"))[0][0]
    began, served = time.perf_counter(), 0
    for _ in range(PAGES):
        served += (await line.ask(f"{head}{first}")).count(b"],") + 1
    seconds = time.perf_counter() - began
    line.close()
    return served / seconds


def admin(told: dict[str, str], path: str, body: dict[str, object]) -> None:
    head = {"X-Admin-Token": told["token"], "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{told['admin']}/{path}", json.dumps(body).encode(), head)
    urllib.request.urlopen(asked).read()


def measure() -> dict[str, float]:
    """Medians of a few runs against one venue process with a database on disk."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tidemill", "venue", "--recording", "bundled", "--clock", "recorded"]
        command += ["--unlimited", "--db", str(Path(folder) / "venue.db")]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
        try:
            assert child.stdout is not None
            told = json.loads(child.stdout.readline())
            admin(told, "accounts", {"key": KEY, "secret": SECRET, "balances": {"USD": "1000000"}})
            admin(told, "clock", {"now": "2013-02-13T00:00:45Z"})
            many, alone, bars = [], [], []
            for run in range(RUNS):
                many.append(asyncio.run(orders_per_second(told["rest"], LINES, f"m{run}")))
                alone.append(asyncio.run(orders_per_second(told["rest"], 1, f"a{run}")))
                bars.append(asyncio.run(bars_per_second(told["rest"])))
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(20)
    named = {"orders_per_second": many, "orders_per_second_one_line": alone, "bars_per_second": bars}
    return {name: round(statistics.median(values)) for name, values in named.items()}


TITLE = "Paper venue"


def rows(_options: Options) -> list[Row]:
    """What one venue process serves, durably, over keep-alive loopback."""
    found = measure()
    return [
        Row(f"durable orders a second over {LINES} lines", f"{found['orders_per_second']:,.0f}", "≥ 1,000"),
        Row("durable orders a second over one line", f"{found['orders_per_second_one_line']:,.0f}"),
        Row("bars a second as klines", f"{found['bars_per_second']:,.0f}", "≥ 1,000,000"),
    ]


if __name__ == "__main__":
    print(json.dumps(measure()))
