"""Adapters that die at an instant, and adapters with one protection taken out. Tests alone have them."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidemill.adapters.ccxt.broker import CcxtBroker
from tidemill.adapters.sql.engine import open_engine, write
from tidemill.adapters.sql.ledger._stops import LOCK
from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import Balance
from tidemill.domain.trading import Decision, LedgerOrder, OrderIntent, OrderRequest, OrderState, Placement


class Striker:
    """Kills or stops this process when the ``nth`` passage of an instant comes; once."""

    def __init__(self, instant: str = "", nth: int = 1, number: int = signal.SIGKILL) -> None:
        self.instant = instant
        self._left = nth
        self._number = number

    def at(self, instant: str) -> None:
        """Pass an instant."""
        if instant != self.instant:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._number)

    def means(self, instant: str) -> bool:
        """Whether the next passage of an instant will strike."""
        return instant == self.instant and self._left == 1


class MortalLedger(SqlLedger):
    """The real ledger with instants to die at; it opens a store that is up to date already."""

    def __init__(
        self, url: str, striker: Striker, *, full_disk_pages: int | None = None, busy_ms: int = 15_000
    ) -> None:
        self._engine = open_engine(url, durable=True)
        self._striker = striker
        if self._engine.dialect.name == "sqlite":
            _limit_sqlite(self._engine, full_disk_pages, busy_ms)
        sa.event.listen(self._engine, "after_cursor_execute", self._after_statement)
        # fired after the last statement of a transaction and before the database is told to commit
        sa.event.listen(self._engine, "commit", self._before_commit)
        self._acknowledging = False

    def record_decision(self, decision: Decision, intents: Sequence[OrderIntent], *, epoch: int) -> bool:
        self._striker.at("before the decision")
        done = super().record_decision(decision, intents, epoch=epoch)
        self._striker.at("after the decision")
        return done

    def begin_submit(self, intent_id: str, **send: Any) -> LedgerOrder | None:
        order = super().begin_submit(intent_id, **send)
        if order is not None:
            self._striker.at("after SUBMITTING")
        return order

    def record_state(self, intent_id: str, state: OrderState, *, stamp: Stamp, **outcome: Any) -> LedgerOrder:
        self._acknowledging = outcome.get("order") is not None
        order = super().record_state(intent_id, state, stamp=stamp, **outcome)
        self._acknowledging = False
        return order

    def _before_commit(self, _connection: sa.Connection) -> None:
        if self._acknowledging:
            self._striker.at("before the ack is stored")

    def _after_statement(self, _c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("INSERT INTO fills"):
            self._striker.at("between two fills")


def _limit_sqlite(engine: sa.Engine, pages: int | None, busy_ms: int) -> None:
    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={busy_ms}")
        if pages is not None:
            used = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={used + pages}")


class MortalBroker(CcxtBroker):
    """The real broker with instants to die at."""

    striker: Striker
    reconciling = False

    def arm(self, striker: Striker, send_delay: float) -> None:
        """Die on what ``striker`` says; a request is cut off ``send_delay`` seconds after it left."""
        self.striker = striker
        send = self._send

        async def send_and_die(url: str, method: str = "GET", headers: Any = None, body: Any = None, *more: Any) -> Any:
            if method == "POST" and striker.means("after the send"):
                sending = asyncio.ensure_future(send(url, method, headers, body, *more))
                await asyncio.sleep(send_delay)
                striker.at("after the send")
                return await sending
            if method == "POST":
                striker.at("after the send")
            return await send(url, method, headers, body, *more)

        self._send = send_and_die

    def place_order(self, request: OrderRequest) -> Placement:
        placed = super().place_order(request)
        self.striker.at("after the answer")
        return placed

    def fetch_balances(self) -> Mapping[str, Balance]:
        if self.reconciling:
            self.striker.at("inside reconcile")
        return super().fetch_balances()


class ForgetfulBroker(MortalBroker):
    """CONTROL=guard: the client loses our order id on the way, as some do, and nothing stops it."""

    def arm(self, striker: Striker, send_delay: float) -> None:
        super().arm(striker, send_delay)
        create = self._exchange.private_post_order

        async def without_our_id(fields: Mapping[str, str]) -> Any:
            left = {name: value for name, value in fields.items() if name != "newClientOrderId"}
            answer = await create(left)
            return {**answer, "clientOrderId": fields["newClientOrderId"]} if answer.get("orderId") else answer

        async def unguarded(url: str, method: str = "GET", headers: Any = None, body: Any = None, *more: Any) -> Any:
            return await self._send(url, method, headers, body, *more)

        self._exchange.private_post_order = without_our_id
        self._exchange.fetch = unguarded


class OpenLedger(MortalLedger):
    """CONTROL=lease: everyone gets the lease, under one epoch."""

    def acquire(self, name: str, owner: str, *, ttl_seconds: float, now: datetime) -> int | None:
        del owner, ttl_seconds
        super().acquire(name, "everyone", ttl_seconds=3600, now=now)
        with write(self._engine, lock=LOCK) as connection:
            connection.execute(sa.text("UPDATE leases SET epoch = 1 WHERE name = :name"), {"name": name})
        return 1

    def renew(self, name: str, owner: str, epoch: int, *, ttl_seconds: float, now: datetime) -> bool:
        return True

    def release(self, name: str, owner: str, epoch: int) -> None:
        return None
