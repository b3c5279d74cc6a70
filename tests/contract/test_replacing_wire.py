"""Cancel and cancel-replace over the wire: the real client, the paper venue's faults, a ledger on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from support.ledger_story import decision, intent

from tidemill.adapters.ccxt.broker import CcxtBroker
from tidemill.adapters.ccxt.exchange import Connection
from tidemill.adapters.clocks import WallClock
from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.adapters.venues.capabilities import capability
from tidemill.domain.errors import TransientError
from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import OrderState, TimeInForce
from tidemill.execution import Desk, cancel_order, compare_account, place_order, replace_order, resolve_open_orders
from tidemill.matching import FillRules
from tidemill.memory.clocks import ManualClock
from tidemill.recording import bundled_recording
from tidemill.venue import UNLIMITED, VenueOptions, VenueServer

pytestmark = pytest.mark.wire
AAPL = Instrument(venue="SAMPLE", base="AAPL", quote="USD", price_step=Decimal("0.0001"), lot_step=Decimal(1))
MARKET = datetime(2013, 2, 13, 0, 0, 45, tzinfo=UTC)
ROW = replace(capability("paper"), window_ms=1500)  # a busy machine may stand still for half a second
RULES = FillRules(
    slippage=Decimal(0),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)


@pytest.fixture(scope="module")
def venue() -> Iterator[VenueServer]:
    made = VenueServer(VenueOptions(recording=bundled_recording(), rules=RULES, limits=UNLIMITED))
    made.start()
    admin(made, "clock", {"now": MARKET.isoformat()})
    yield made
    made.stop()


def admin(venue: VenueServer, path: str, body: dict) -> None:
    head = {"X-Admin-Token": venue.token}
    answer = requests.post(f"{venue.admin_url}/{path}", json=body, headers=head, timeout=10)
    assert answer.ok, answer.text


@pytest.fixture
def desk(venue: VenueServer, tmp_path: Path) -> Iterator[Desk]:
    """An account of its own with an order that rests far below the market."""
    key = f"k{time.monotonic_ns()}"
    admin(venue, "accounts", {"key": key, "secret": "s", "balances": {"USD": "100000"}})
    broker = CcxtBroker(
        "binance",
        Connection(rest_url=venue.rest_url, key=key, secret="s", timeout_seconds=0.5),
        venue="SAMPLE",
        instruments=[AAPL],
        capability=ROW,
    )
    made = Desk(
        account="a",
        ledger=SqlLedger(f"sqlite:///{tmp_path / 'ops.db'}"),
        broker=broker,
        market_clock=ManualClock(MARKET),
        wall_clock=WallClock(),
        timing=replace(ROW.timing(), first_poll_seconds=0.02, last_poll_seconds=0.2),
        sleep=time.sleep,
    )
    account = Account(account="a", venue="SAMPLE", currency="USD", opened_at=MARKET)
    made.ledger.open_account(account, {"USD": Decimal(100_000)}, stamp=made.stamp())
    assert made.ledger.acquire("a", "me", ttl_seconds=600, now=datetime.now(UTC)) == 1
    rest = {"instrument": AAPL.id, "time_in_force": TimeInForce.GTC, "limit_price": Decimal(300)}
    resting = replace(intent(), **rest, expires_at=MARKET + timedelta(days=1))
    told = made.stamp()
    made.ledger.record_decision(decision(market_time=told.market, wall_time=told.wall), [resting], epoch=1)
    assert place_order(made, "i0l0", epoch=1).state is OrderState.OPEN
    yield made
    broker.close()
    made.ledger.close()


@pytest.mark.parametrize(
    ("fault", "on"),
    [
        ("", "cancel"),
        ("drop_before", "cancel"),
        ("drop_after", "cancel"),
        ("html_200", "cancel"),
        ("drop_before", "order"),
        ("drop_after", "order"),
        ("zombie", "order"),
        ("html_502", "query"),
    ],
)
def test_one_order_is_left_in_the_place_of_another(venue: VenueServer, desk: Desk, fault: str, on: str) -> None:
    if fault:
        admin(venue, "faults", {"fault": fault, "on": on, "count": 1, "seconds": 0.2})
    new = again(lambda: replace_order(desk, "i0l0", limit_price=Decimal(301), epoch=1))
    assert new == replace_order(desk, "i0l0", limit_price=Decimal(302), epoch=1)
    assert [(one.state, one.limit_price) for one in at_venue(desk)] == [
        (OrderState.CANCELLED, Decimal(300)),
        (OrderState.OPEN, Decimal(301)),
    ]
    ended = again(lambda: cancel_order(desk, new.intent.intent_id, epoch=1))
    assert ended.state is OrderState.CANCELLED
    assert ended == cancel_order(desk, new.intent.intent_id, epoch=1)
    resolve_open_orders(desk, epoch=1)
    assert not compare_account(desk, [AAPL.id], since=datetime.now(UTC) - timedelta(days=1))


def again(work):
    """What a task does: once more on an error that may pass."""
    try:
        return work()
    except TransientError:
        return work()


def at_venue(desk: Desk):
    return desk.broker.fetch_orders(AAPL.id, datetime.now(UTC) - timedelta(days=1))
