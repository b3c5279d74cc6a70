"""What the ledger, the proofs and the guard cost: from a decision to its acknowledged order, over loopback.

`python -m benchmarks.orders` prints JSON. The yardstick is measured in the same run, turn by turn: ccxt's asynchronous
client alone sends the same order, and a database alone commits three times, durably.

A commit waits about twice as long while SQLite's log still grows, since the file's new length must reach the disk too;
after the first thousand pages the log is written over. Both sides are therefore measured in the same state, and in
both: on files just made, as a process finds them that has just started, and on logs that have their full size.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.timing import Options, Row
from tidemill.adapters.ccxt.broker import CcxtBroker
from tidemill.adapters.ccxt.exchange import Connection
from tidemill.adapters.clocks import WallClock
from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.adapters.venues.capabilities import capability
from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import Decision, OrderIntent, OrderType, Side, TimeInForce, decision_id, intent_id
from tidemill.execution import Desk, place_order
from tidemill.memory.clocks import ManualClock

ROUNDS, WARM, FLEET, FLEET_RUNS = 600, 10, 50, 5
BLOCK = 25
"""Turns on one pair of new files: an order writes about 20 pages, and the log grows for the first 1,000."""
TO_FULL_SIZE = 500
NAME, CLIENT_KEY, CLIENT_SECRET = "bench", "k1", "s1"
AAPL = Instrument(venue="SAMPLE", base="AAPL", quote="USD", price_step=Decimal("0.0001"), lot_step=Decimal(1))
MARKET = datetime(2013, 2, 13, 0, 0, 45, tzinfo=UTC)


@contextmanager
def running_venue(folder: Path) -> Iterator[str]:
    """URL of a paper venue with one rich account."""
    command = [sys.executable, "-m", "tidemill", "venue", "--recording", "bundled", "--clock", "recorded"]
    command += ["--unlimited", "--db", str(folder / "venue.db"), "--port", "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    try:
        assert child.stdout is not None
        venue = json.loads(child.stdout.readline())
        for path, body in (
            ("accounts", {"key": CLIENT_KEY, "secret": CLIENT_SECRET, "balances": {"USD": "100000000"}}),
            ("clock", {"now": MARKET.isoformat()}),
        ):
            head = {"X-Admin-Token": venue["token"], "Content-Type": "application/json"}
            request = urllib.request.Request(f"{venue['admin']}/{path}", json.dumps(body).encode(), head)
            urllib.request.urlopen(request, timeout=10).read()
        yield str(venue["rest"])
    finally:
        child.terminate()
        child.wait(30)


class Plain:
    """ccxt alone on a loop of its own, as a script would use it."""

    def __init__(self, rest: str) -> None:
        import ccxt.async_support as ccxt

        self.loop = asyncio.new_event_loop()
        urls = {"api": dict.fromkeys(("public", "private", "v1", "sapi"), f"{rest}/api/v3")}
        options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
        self._client = ccxt.binance({"apiKey": CLIENT_KEY, "secret": CLIENT_SECRET, "urls": urls, "options": options})
        self._client.enableRateLimit = False
        self.loop.run_until_complete(self._client.load_markets())

    def send(self, name: str) -> float:
        """Seconds of one order."""
        extra = {"timeInForce": "IOC", "clientOrderId": name}
        began = time.perf_counter()
        self.loop.run_until_complete(self._client.create_order("AAPL/USD", "limit", "buy", "1", "1", extra))
        return time.perf_counter() - began

    def close(self) -> None:
        self.loop.run_until_complete(self._client.close())
        self.loop.close()


class Commits:
    """A database alone."""

    def __init__(self, path: Path) -> None:
        self._line = sqlite3.connect(path, isolation_level=None)
        for text in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE t (a INTEGER, b TEXT)"):
            self._line.execute(text)

    def close(self) -> None:
        self._line.close()

    def three(self) -> float:
        """Seconds of three durable commits of one row."""
        began = time.perf_counter()
        for number in range(3):
            self._line.execute("BEGIN IMMEDIATE")
            self._line.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 200))
            self._line.execute("COMMIT")
        return time.perf_counter() - began


class Desks:
    """Our side: real client, ledger on disk."""

    def __init__(self, rest: str, path: Path) -> None:
        row = capability("paper")
        self.timing = row.timing()
        self.broker = CcxtBroker(
            "binance",
            Connection(rest_url=rest, key=CLIENT_KEY, secret=CLIENT_SECRET),
            venue="SAMPLE",
            instruments=[AAPL],
            capability=row,
        )
        self.open(path)

    def open(self, path: Path) -> None:
        """Go on with a new ledger."""
        self.ledger = SqlLedger(f"sqlite:///{path}")
        self.desk = Desk(
            account=NAME,
            ledger=self.ledger,
            broker=self.broker,
            market_clock=ManualClock(MARKET),
            wall_clock=WallClock(),
            timing=self.timing,
            sleep=time.sleep,
        )
        account = Account(account=NAME, venue="SAMPLE", currency="USD", opened_at=MARKET)
        self.ledger.open_account(account, {"USD": Decimal(100_000_000)}, stamp=self.desk.stamp())
        self.epoch = self.ledger.acquire(NAME, "bench", ttl_seconds=86_400, now=datetime.now(UTC)) or 0

    def make(self, number: int, intents: int) -> tuple[Decision, list[OrderIntent]]:
        """A decision with so many intents."""
        as_of = MARKET - timedelta(days=1) + timedelta(seconds=number)
        stamp = self.desk.stamp()
        name = decision_id(account=NAME, strategy="trend", as_of=as_of, attempt=0)
        decision = Decision(
            decision_id=name,
            account=NAME,
            strategy="trend",
            as_of=as_of,
            attempt=0,
            mode="paper",
            outcome="decided",
            reason="",
            model="trend",
            model_version="",
            limits_version="1",
            ledger_sequence=0,
            store_watermark=0,
            market_time=stamp.market,
            wall_time=stamp.wall,
        )
        return decision, [make_intent(name, as_of, leg) for leg in range(intents)]

    def decide(self, decision: Decision, intents: Sequence[OrderIntent]) -> list[str]:
        """Record a decision with its intents, in one commit; their ids."""
        self.ledger.record_decision(decision, intents, epoch=self.epoch)
        return [intent.intent_id for intent in intents]

    def one(self, number: int) -> float:
        """Seconds from a decision to its acknowledged order."""
        intents = self.make(number, 1)
        began = time.perf_counter()
        (name,) = self.decide(*intents)
        place_order(self.desk, name, epoch=self.epoch)
        return time.perf_counter() - began

    def close(self) -> None:
        self.broker.close()
        self.ledger.close()


def make_intent(decision: str, as_of: datetime, leg: int) -> OrderIntent:
    """An IOC order off the market: accepted, expired, and nothing rests to slow the next."""
    name = intent_id(account=NAME, strategy="trend", instrument=AAPL.id, as_of=as_of, attempt=0, leg=leg)
    return OrderIntent(
        intent_id=name,
        decision_id=decision,
        account=NAME,
        instrument=AAPL.id,
        leg=leg,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(1),
        limit_price=Decimal(1),
        client_order_id=name,
        expires_at=MARKET + timedelta(days=1),
    )


def fleets(desks: Desks, folder: Path) -> list[float]:
    """Seconds of fifty intents of one decision, recorded and submitted as `trade` does, inside running flows.

    Each runs the shipped task under Prefect's own task runner with a Prefect server; the flow's start is not counted.
    """
    from tidemill.operations.prefect_server import PrefectServer

    server = PrefectServer(folder / "prefect", services=False)
    server.start()
    os.environ.update(server.environment)
    try:
        server.wait()
        return flows_of_fifty(desks)
    finally:
        server.stop()


def flows_of_fifty(desks: Desks) -> list[float]:
    """One figure a flow run, the first left out."""
    from prefect import flow

    from tasks import orders
    from tidemill.bootstrap import Overrides, Services, using
    from tidemill.settings import Settings

    @flow(name="fifty", log_prints=False)
    def fifty(number: int) -> float:
        began = time.perf_counter()
        names = desks.decide(*desks.make(1000 + number, FLEET))
        placed = [future.result() for future in orders.submit_order.map(names, desks.epoch)]
        assert all(order.venue_order_id for order in placed)
        return time.perf_counter() - began

    with using(Services(Settings(home=Path("bench")), Overrides(desk=desks.desk))):
        return [fifty(number) for number in range(FLEET_RUNS + 1)][1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Seconds of each side, turn by turn."""

    ccxt_alone: list[float] = field(default_factory=list)
    three_commits: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    def add(self, plain: Plain, commits: Commits, desks: Desks, numbers: range, *, warm: int) -> None:
        """Take turns; the first ``warm`` ones are left out."""
        for turn, number in enumerate(numbers):
            taken = plain.send(f"p{number}"), commits.three(), desks.one(number)
            if turn >= warm:
                for times, seconds in zip((self.ccxt_alone, self.three_commits, self.ours), taken, strict=True):
                    times.append(seconds)

    @property
    def found(self) -> dict[str, float]:
        """Medians in milliseconds; the ratio is that of the medians."""
        alone, three, ours = (
            1000 * statistics.median(seconds) for seconds in (self.ccxt_alone, self.three_commits, self.ours)
        )
        figures = {"ccxt_alone_ms": alone, "three_commits_ms": three, "ours_ms": ours, "ratio": ours / (alone + three)}
        return {name: round(value, 3) for name, value in figures.items()}


def on_new_files(plain: Plain, desks: Desks, folder: Path) -> Turns:
    """Turns on logs that grow."""
    turns = Turns()
    for block in range(ROUNDS // BLOCK):
        desks.ledger.close()
        desks.open(folder / f"ops{block}.db")
        commits = Commits(folder / f"plain{block}.db")
        first = 10_000 + block * (BLOCK + WARM)
        turns.add(plain, commits, desks, range(first, first + BLOCK + WARM), warm=WARM)
        commits.close()
    return turns


def on_full_logs(plain: Plain, desks: Desks, folder: Path) -> Turns:
    """Turns on logs that have their full size."""
    commits = Commits(folder / "plain.db")
    for _ in range(TO_FULL_SIZE):
        commits.three()
    for number in range(TO_FULL_SIZE // 5):
        desks.one(number)
    turns = Turns()
    turns.add(plain, commits, desks, range(TO_FULL_SIZE, TO_FULL_SIZE + ROUNDS), warm=0)
    commits.close()
    return turns


def measure() -> dict[str, Any]:
    """Medians in milliseconds."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as place, running_venue(Path(place)) as rest:
        folder = Path(place)
        plain, desks = Plain(rest), Desks(rest, folder / "ops.db")
        full = on_full_logs(plain, desks, folder).found
        new = on_new_files(plain, desks, folder).found
        fleet = fleets(desks, folder)
        plain.close()
        desks.close()
    return {"runs": ROUNDS, "new_files": new, "full_logs": full, "fifty_seconds": round(statistics.median(fleet), 3)}


TITLE = "Orders"


def rows(_options: Options) -> list[Row]:
    """From a decision to its acknowledged orders, with every protection on."""
    measured = measure()
    states = {"new files": measured["new_files"], "logs of full size": measured["full_logs"]}
    return [
        *(row for state, figures in states.items() for row in rows_of(state, figures)),
        Row(f"{FLEET} intents of one decision acknowledged in one flow", f"{measured['fifty_seconds']:.2f} s", "1 s"),
    ]


def rows_of(state: str, figures: dict[str, float]) -> list[Row]:
    """What was measured with the databases in one state."""
    return [
        Row(
            f"{state}: one limit IOC order through ccxt.async_support alone, same venue, connection kept open",
            f"{figures['ccxt_alone_ms']:.2f} ms",
        ),
        Row(
            f"{state}: three commits of one row of 200 bytes, SQLite alone (WAL, synchronous=FULL as the ledger)",
            f"{figures['three_commits_ms']:.2f} ms",
        ),
        Row(
            f"{state}: the same order from its decision to its recorded acknowledgement (three commits of the ledger)",
            f"{figures['ours_ms']:.2f} ms",
        ),
        Row(
            f"{state}: the last over the sum of the two before, medians of turns in one run",
            f"{figures['ratio']:.2f}",
            "2.00",
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
