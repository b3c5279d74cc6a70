"""One case: start it, disturb it, let it recover, and judge what venue and ledger hold then."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from plan import NONE, Case
from rig import PostgresStore, Process, SqliteStore, Venue
from story import LEASE_SECONDS, MARKET_TIME, OPENING, UNIVERSE, VENUE, Part, run_part

from tidemill.adapters.sql.ledger._tables import DECISIONS, ORDER_EVENTS
from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import RESTING, UNRESOLVED, LedgerOrder, OrderState

REFUSED_SECONDS = 5.0
MOST_RECOVERIES = 12
WAKES_WITHIN_SECONDS = 2.5
SPELL_SECONDS = {"query_lag": 0.25, "connection_refused": 0.4, "late": 0.15, "zombie": 0.25}
SILENT_SECONDS = 1.5
AT_VENUE = RESTING | {OrderState.FILLED, OrderState.EXPIRED, OrderState.CANCELLED}

Beside = tuple[Process, Part]
"""A process that ran beside the first, and what it was to do: it too is run again until it ends well."""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What became of a case; each problem is one sentence."""

    case: Case
    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    frozen: int = 0
    seconds: float = 0.0
    recovery_seconds: float | None = None
    struck: bool = False
    fault_struck: bool = False

    @property
    def all_struck(self) -> bool:
        """Whether the kill and the fault that the case names both came to pass."""
        return (self.struck or self.case.instant == NONE) and (self.fault_struck or self.case.fault == NONE)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was doubled, lost or left unexplained."""
        return not (self.duplicates or self.lost or self.unexplained)


def run_case(case: Case, venue: Venue, store: SqliteStore | PostgresStore, folder: Path) -> Verdict:
    """Run one case to its end and judge it."""
    account = f"k{case.number}{case.control}"
    url = store.make(account)
    balances = {asset: str(amount) for asset, amount in OPENING.items()}
    venue.admin("POST", "accounts", {"key": account, "secret": f"secret{account}", "balances": balances})
    _open_ledger(url, account)
    part = Part(
        rest=venue.rest,
        ledger_url=url,
        account=account,
        folder=folder,
        production=case.production,
        control=case.control,
    )
    verdict = Verdict(case=case)
    began = time.monotonic()
    _add_fault(case, venue)
    before = venue.struck(case.fault)
    dying, first, others = _disturb(case, part, venue, store, before)
    ended = time.monotonic()
    verdict.struck = first.killed or first.stopped
    if not first.done and not verdict.struck and case.instant != NONE:
        verdict.struck = _strike_later(dying, folder)
        ended = time.monotonic()
    verdict.recovery_seconds = _recover(part, folder, ended, waking=_waking(case, others, store))
    for one, twin in others:
        one.signal(signal.SIGCONT)
        one.wait()
        if not one.done:
            _recover(twin, folder, ended)
    verdict.fault_struck = case.fault == "connection_refused" or venue.struck(case.fault) > before
    venue.admin("DELETE", "faults")
    _finish(part, folder)
    judge(verdict, url, account, venue.admin("GET", f"truth?key={account}"))
    verdict.seconds = time.monotonic() - began
    if verdict.is_clean:
        store.drop(url)
    return verdict


def _open_ledger(url: str, account: str) -> None:
    ledger = SqlLedger.__new__(SqlLedger)
    ledger._engine = sa.create_engine(url, poolclass=sa.NullPool)
    stamp = Stamp(market=MARKET_TIME, wall=datetime.now(UTC))
    opened = Account(account=account, venue=VENUE, currency="USD", opened_at=MARKET_TIME)
    ledger.open_account(opened, OPENING, stamp=stamp)
    ledger.close()


def _add_fault(case: Case, venue: Venue) -> None:
    if case.fault in {NONE, "connection_refused"}:
        return
    seconds = SPELL_SECONDS.get(case.fault, SILENT_SECONDS)
    if case.production and case.fault == "query_lag":
        seconds = 2.0
    body = {"fault": case.fault, "on": case.target, "count": case.count, "seconds": seconds}
    venue.admin("POST", "faults", body)


def _restart(case: Case, venue: Venue, before: int) -> None:
    """Restart the venue in mid-work. Its faults lie in memory: what has not struck yet is made anew."""
    venue.restart()
    left = case.count - (venue.struck(case.fault) - before)
    if left > 0:
        _add_fault(replace(case, count=left), venue)


def _disturb(
    case: Case, part: Part, venue: Venue, store: SqliteStore | PostgresStore, before: int
) -> tuple[Part, Process, list[Beside]]:
    """The first process with everything that happens beside it; and those that still run."""
    log = part.folder / f"{part.account}.log"
    chosen = random.Random(case.number)
    dying = replace(
        part,
        instant=case.instant if case.instant != NONE else "",
        nth=1 if case.instant in {"before the decision", "after the decision", "inside reconcile"} else case.nth,
        send_delay=chosen.uniform(0.0005, 0.006),
        task_retry=case.combination == "task retry",
        flow_runs=2 if case.combination == "flow retry" else 1,
        full_disk_pages=chosen.randint(0, 3) if case.combination == "full disk" else None,
        busy_ms=chosen.choice((500, 15_000)) if case.combination == "database refuses" else 15_000,
        signal=signal.SIGSTOP if case.combination == "holder wakes late" else signal.SIGKILL,
    )
    if case.fault == "connection_refused":
        venue.admin("POST", "faults", {"fault": case.fault, "seconds": SPELL_SECONDS[case.fault]})
    first = Process(lambda: run_part(dying), log)
    others = _beside(case, part, venue, store, first, log, before)
    return dying, first, others


def _strike_later(dying: Part, folder: Path) -> bool:
    """The wire broke before the instant came: run it again as it was, until the kill strikes or nothing is left."""
    dying = replace(dying, signal=signal.SIGKILL, full_disk_pages=None)
    for _ in range(MOST_RECOVERIES):
        process = Process(lambda: run_part(dying), folder / f"{dying.account}.log")
        process.wait()
        if process.killed or process.done:
            return process.killed
        time.sleep(0.1)
    return False


def _waking(case: Case, others: list[Beside], store: SqliteStore | PostgresStore) -> tuple[Process, float] | None:
    """In every other case a stopped holder wakes while the next one is at work, else only after it.

    One that was stopped inside a transaction holds up all others, on PostgreSQL until the server ends it, on SQLite
    until it goes on: so it does in the end.
    """
    if case.combination != "holder wakes late" or not others:
        return None
    if case.number % 2:
        return others[0][0], store.longest_stop
    return others[0][0], random.Random(case.number).uniform(LEASE_SECONDS, WAKES_WITHIN_SECONDS)


def _beside(
    case: Case,
    part: Part,
    venue: Venue,
    store: SqliteStore | PostgresStore,
    first: Process,
    log: Path,
    before: int,
) -> list[Beside]:
    """What happens while the first process works; the first has ended, or been stopped, when this returns."""
    others: list[Beside] = []
    if case.combination == "holder wakes late":
        if case.instant == NONE:
            time.sleep(case.delay)
            first.signal(signal.SIGSTOP)
        if not first.wait(stopped=True) or first.status is None:
            others.append((first, part))
        return others
    at_once = {NONE, "task retry", "flow retry", "full disk", "another attempt"}
    if case.combination not in at_once or case.control == "lease":
        time.sleep(case.delay)
    twins = {
        "second run": part,
        "another attempt": replace(part, attempt=1),
        "reconcile while trade sends": replace(part, trades=False, reconciles=3),
    }
    if twin := twins.get(case.combination):
        others.append((Process(lambda: run_part(twin), log), twin))
    elif case.combination == "venue restart":
        _restart(case, venue, before)
    elif case.combination == "database refuses":
        store.refuse(part.ledger_url, REFUSED_SECONDS)
    first.wait()
    for one, _ in others:
        one.wait()
    return others


def _recover(part: Part, folder: Path, since: float, *, waking: tuple[Process, float] | None = None) -> float | None:
    """Run it again until it ends well; seconds since the first process ended. ``waking`` goes on meanwhile."""
    for _ in range(MOST_RECOVERIES):
        process = Process(lambda: run_part(part), folder / f"{part.account}.log")
        if waking and not process.wait(waking[1]):
            waking[0].signal(signal.SIGCONT)
            waking = None
        process.wait()
        if process.done:
            return time.monotonic() - since
        time.sleep(0.1)
    return None


def _finish(part: Part, folder: Path) -> None:
    """One more reconcile when all is quiet."""
    process = Process(lambda: run_part(replace(part, trades=False)), folder / f"{part.account}.log")
    process.wait()


def judge(verdict: Verdict, url: str, account: str, truth: dict[str, Any]) -> None:
    """Compare what was intended, what the venue holds, and what the ledger says."""
    ledger = SqlLedger.__new__(SqlLedger)
    ledger._engine = sa.create_engine(url, poolclass=sa.NullPool)
    ours = list(ledger.load_orders(account=account))
    theirs = truth["orders"]
    _judge_decisions(verdict, ledger, account, ours)
    by_client = {one.intent.client_order_id: one for one in ours}
    by_venue = {one.venue_order_id: one for one in ours if one.venue_order_id}
    seen: dict[str, list[dict[str, Any]]] = {}
    for told in theirs:
        known = by_venue.get(str(told["orderId"])) or by_client.get(told["clientOrderId"])
        if known is None:
            verdict.duplicates.append(f"order {told['orderId']} at the venue belongs to no intent")
        else:
            seen.setdefault(known.intent.intent_id, []).append(told)
    for order in ours:
        _judge_order(verdict, order, seen.get(order.intent.intent_id, []))
    portfolio = ledger.load_portfolio(account)
    for asset in {*portfolio.assets, *truth["balances"][account]}:
        at_venue = truth["balances"][account].get(asset, {"free": "0", "locked": "0"})
        total = Decimal(at_venue["free"]) + Decimal(at_venue["locked"])
        if total != portfolio.quantity(asset):
            verdict.unexplained.append(f"{asset}: ledger {portfolio.quantity(asset)}, venue {total}")
    verdict.frozen = len(ledger.load_freezes())
    ledger.close()


def _judge_order(verdict: Verdict, order: LedgerOrder, told: list[dict[str, Any]]) -> None:
    name = f"{order.intent.client_order_id} ({order.state})"
    if len(told) > 1:
        verdict.duplicates.append(f"intent {name} is {len(told)} orders at the venue")
    if order.state in UNRESOLVED or order.state is OrderState.PLANNED:
        verdict.lost.append(f"intent {name} was left in doubt")
    elif order.state in AT_VENUE:
        if not told:
            verdict.lost.append(f"intent {name} is not at the venue")
        elif Decimal(told[0]["executedQty"]) != order.filled:
            text = f"intent {name} has {order.filled} filled, the venue {told[0]['executedQty']}"
            verdict.lost.append(text)
    elif told:
        verdict.lost.append(f"intent {name} is at the venue all the same")
    elif not order.reason:
        verdict.unexplained.append(f"intent {name} was not placed, without a reason")


def _judge_decisions(verdict: Verdict, ledger: SqlLedger, account: str, ours: Iterable[LedgerOrder]) -> None:
    """One decision for each attempt, none on an account that moved under it, none lost."""
    decisions = ledger.load_decisions(account)
    if not decisions:
        verdict.lost.append("no decision was recorded")
    attempts = [one.attempt for one in decisions]
    for attempt in set(attempts):
        if attempts.count(attempt) > 1:
            verdict.duplicates.append(f"attempt {attempt} was decided {attempts.count(attempt)} times")
    asked = 2 if verdict.case.combination == "another attempt" else 1
    if len(decisions) > asked:
        verdict.duplicates.append(f"{len(decisions)} decisions were made where {asked} was asked for")
    intents = {one.intent.decision_id for one in ours}
    verdict.lost += [
        f"decision {one.decision_id} has no intents" for one in decisions if one.decision_id not in intents
    ]
    with ledger._engine.connect() as connection:
        sequences = dict(connection.execute(sa.select(DECISIONS.c.decision_id, DECISIONS.c.sequence)).tuples().all())
        read = dict(connection.execute(sa.select(DECISIONS.c.decision_id, DECISIONS.c.ledger_sequence)).tuples().all())
        events = connection.execute(
            sa.select(ORDER_EVENTS.c.sequence, ORDER_EVENTS.c.intent_id).where(ORDER_EVENTS.c.state != "not_placed")
        ).all()
    mine = {one.intent.intent_id: one.intent.decision_id for one in ours}
    for decision, recorded in sequences.items():
        between = [
            one for one in events if read[decision] < one.sequence < recorded and mine[one.intent_id] != decision
        ]
        if between:
            verdict.unexplained.append(f"decision {decision} was made on an account that moved before it was recorded")


__all__ = ["UNIVERSE", "Verdict", "judge", "run_case"]
