"""The outcome table, row by row: what the wire did, what ccxt made of it, what is then known, what is true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import ccxt
import pytest
import requests

from tidemill.adapters.ccxt._outcomes import OUTCOMES, Evidence, judge
from tidemill.adapters.ccxt.broker import CcxtBroker
from tidemill.adapters.ccxt.exchange import Connection, build_exchange
from tidemill.adapters.venues.capabilities import capability
from tidemill.domain.errors import TransientError
from tidemill.domain.market import Instrument
from tidemill.domain.trading import OrderRequest, OrderType, Side, TimeInForce
from tidemill.matching import FillRules
from tidemill.recording import bundled_recording
from tidemill.venue import UNLIMITED, VenueOptions, VenueServer
from tidemill.venue.faults import REQUEST_FAULTS

pytestmark = pytest.mark.wire
AAPL, NOWHERE = "AAPL-USD.SAMPLE", "NONE-USD.SAMPLE"
ACKED, NO_IDS, DUPLICATE, CODE, LOCAL, NOTHING = (row.because for row in OUTCOMES)
RULES = FillRules(
    slippage=Decimal("0.0005"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)
ORDER = OrderRequest(
    client_order_id="",
    instrument=AAPL,
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.IOC,
    quantity=Decimal(1),
    limit_price=Decimal("480.1234"),
    sent_at=datetime(2020, 1, 1, tzinfo=UTC),
    window_ms=5000,
)


@dataclass(frozen=True)
class Wire:
    """A fault, a word of what ccxt made of it, the row of the table, and whether the order exists in truth."""

    fault: str
    word: str
    because: str
    outcome: str
    exists: bool


FAULTS = (
    Wire("connection_refused", "ExchangeNotAvailable", NOTHING, "unknown", False),
    Wire("drop_before", "ExchangeNotAvailable", NOTHING, "unknown", False),
    Wire("drop_after", "ExchangeNotAvailable", NOTHING, "unknown", True),
    Wire("no_answer_before", "RequestTimeout", NOTHING, "unknown", False),
    Wire("no_answer_after", "RequestTimeout", NOTHING, "unknown", True),
    Wire("late", "RequestTimeout", NOTHING, "unknown", True),
    Wire("zombie", "ExchangeNotAvailable", NOTHING, "unknown", True),
    Wire("error_1006_before", "OperationFailed", NOTHING, "unknown", False),
    Wire("error_1006_after", "OperationFailed", NOTHING, "unknown", True),
    Wire("error_1007_before", "RequestTimeout", NOTHING, "unknown", False),
    Wire("error_1007_after", "RequestTimeout", NOTHING, "unknown", True),
    Wire("error_1008", "OperationFailed", NOTHING, "unknown", False),
    Wire("html_502", "ExchangeNotAvailable", NOTHING, "unknown", True),
    Wire("html_502_before", "ExchangeNotAvailable", NOTHING, "unknown", False),
    Wire("forbidden_403", "ExchangeNotAvailable", NOTHING, "unknown", False),
    Wire("maintenance", "OnMaintenance", NOTHING, "unknown", False),
    Wire("truncated_body", "ExchangeError", NOTHING, "unknown", True),
    Wire("html_200", "<html>", NO_IDS, "unknown", True),
    Wire("empty_body", "''", NO_IDS, "unknown", True),
    Wire("truncated_json", "{", NO_IDS, "unknown", True),
    Wire("too_many_429", "DDoSProtection", CODE, "rejected", False),
    Wire("banned_418", "DDoSProtection", CODE, "rejected", False),
    Wire("too_many_orders", "DDoSProtection", CODE, "rejected", False),
    Wire("error_1021", "InvalidNonce", CODE, "rejected", False),
)


@pytest.fixture(scope="module")
def venue() -> Iterator[VenueServer]:
    made = VenueServer(VenueOptions(recording=bundled_recording(), rules=RULES, limits=UNLIMITED))
    made.start()
    admin(made, "accounts", {"key": "k1", "secret": "s1", "balances": {"USD": "100000"}})
    admin(made, "clock", {"now": "2013-02-13T00:00:45Z"})
    yield made
    made.stop()


def admin(venue: VenueServer, path: str, body: dict) -> None:
    head = {"X-Admin-Token": venue.token}
    answer = requests.post(f"{venue.admin_url}/{path}", json=body, headers=head, timeout=10)
    assert answer.ok, answer.text


def open_broker(venue: VenueServer, key: str = "k1", secret: str = "s1") -> CcxtBroker:
    bases = ("AAPL", "NONE")
    return CcxtBroker(
        "binance",
        Connection(rest_url=venue.rest_url, key=key, secret=secret, timeout_seconds=1.5),
        venue="SAMPLE",
        instruments=[
            Instrument(venue="SAMPLE", base=base, quote="USD", price_step=Decimal("0.0001"), lot_step=Decimal(1))
            for base in bases
        ],
        capability=capability("paper"),
    )


@pytest.fixture(scope="module")
def broker(venue: VenueServer) -> Iterator[CcxtBroker]:
    made = open_broker(venue)
    assert made.place_order(order("warm")).outcome == "acked"  # markets are loaded
    yield made
    made.close()


def order(name: str, **changes) -> OrderRequest:
    return replace(ORDER, **({"client_order_id": name, "sent_at": datetime.now(UTC)} | changes))


def exists(broker: CcxtBroker, name: str) -> bool:
    """Whether the venue has it, once it answers again and what was late has come."""
    end = time.monotonic() + 5
    found = None
    while found is None and time.monotonic() < end:
        try:
            found = broker.fetch_order(AAPL, name, None)
        except TransientError:
            end = max(end, time.monotonic() + 1)
        if found is None and not name.startswith(("late", "zombie", "connection")):
            break
        time.sleep(0.05)
    return found is not None


def test_every_fault_of_a_request_has_a_row() -> None:
    assert {one.fault for one in FAULTS} == set(REQUEST_FAULTS) | {"connection_refused"}


@pytest.mark.parametrize("wire", FAULTS, ids=lambda wire: wire.fault)
def test_what_the_wire_did(venue: VenueServer, broker: CcxtBroker, wire: Wire) -> None:
    admin(venue, "faults", {"fault": wire.fault, "on": "order", "count": 1, "seconds": 2.5})
    done = broker.place_order(order(wire.fault))
    assert done.outcome == wire.outcome
    assert done.evidence.startswith(f"{wire.because}: ")
    assert wire.word in done.evidence
    assert exists(broker, wire.fault) is wire.exists


@pytest.mark.parametrize(
    ("name", "changes", "because", "word"),
    [
        ("acked", {}, ACKED, "is filled"),
        ("window", {"sent_at": datetime(2020, 1, 1, tzinfo=UTC)}, CODE, "-1021 InvalidNonce"),
        ("funds", {"quantity": Decimal(1_000_000)}, CODE, "-2010 InsufficientFunds"),
        ("filter", {"limit_price": Decimal("0.5")}, CODE, "-1013 "),
        ("maker", {"order_type": OrderType.LIMIT_MAKER}, CODE, "-2010 OrderImmediatelyFillable"),
        ("steps", {"quantity": Decimal("0.5")}, CODE, "-1013 "),
        ("symbol", {"instrument": NOWHERE}, CODE, "-1121 BadSymbol"),
    ],
)
def test_what_the_order_was(broker: CcxtBroker, name: str, changes: dict, because: str, word: str) -> None:
    done = broker.place_order(order(name, **changes))
    assert done.outcome == ("acked" if because == ACKED else "rejected")
    assert word in done.evidence
    assert because == ACKED or done.evidence.startswith(f"{because}: ")
    assert exists(broker, name) is (because == ACKED)


@pytest.mark.parametrize(
    ("key", "secret", "word"),
    [("k1", "wrong", "-1022 AuthenticationError"), ("nobody", "s1", "-2015 ")],
)
def test_who_asked(venue: VenueServer, broker: CcxtBroker, key: str, secret: str, word: str) -> None:
    stranger = open_broker(venue, key, secret)
    done = stranger.place_order(order("stranger"))
    stranger.close()
    assert (done.outcome, done.evidence.partition(": ")[0]) == ("rejected", CODE)
    assert word in done.evidence
    assert not exists(broker, "stranger")


def test_a_duplicate_says_that_there_is_an_order(broker: CcxtBroker) -> None:
    rest = {"limit_price": Decimal(400), "time_in_force": TimeInForce.GTC}
    assert broker.place_order(order("twice", **rest)).outcome == "acked"
    again = broker.place_order(order("twice", **rest))
    assert (again.outcome, again.evidence.partition(":")[0]) == ("unknown", DUPLICATE.partition(":")[0])
    assert "InvalidOrder" in again.evidence
    assert broker.cancel_order(AAPL, "twice", None)


@pytest.mark.parametrize(
    ("symbol", "quantity", "word"), [("AAPL/USD", "0.5", "InvalidOrder"), ("NONE/USD", "1", "BadSymbol")]
)
def test_what_ccxt_refuses_by_itself_is_rejected(venue: VenueServer, symbol: str, quantity: str, word: str) -> None:
    """ccxt's unified call, which other venues' rows use, looks at its list of markets before it sends."""

    async def refusal() -> Exception:
        client = build_exchange("binance", Connection(rest_url=venue.rest_url, key="k1", secret="s1"), exact=True)
        try:
            with pytest.raises(ccxt.BaseError) as caught:
                await client.create_order(symbol, "limit", "buy", quantity, "480")
        finally:
            await client.close()
        return caught.value

    judged = judge(Evidence(client_order_id="here", left=False, failure=asyncio.run(refusal())))
    assert (judged.outcome, judged.because) == ("rejected", LOCAL)
    assert word in judged.text


def test_an_order_needs_no_list_of_markets(venue: VenueServer) -> None:
    stranger = open_broker(venue)
    admin(venue, "faults", {"fault": "html_502_before", "on": "market", "count": 1})
    assert stranger.place_order(order("early")).outcome == "acked"
    stranger.close()
    requests.delete(f"{venue.admin_url}/faults", headers={"X-Admin-Token": venue.token}, timeout=10)


def test_nothing_left_for_a_reason_that_may_pass_proves_nothing(venue: VenueServer, broker: CcxtBroker) -> None:
    """Without a key ccxt sends nothing; with one the order may be sent later, so this is no rejection."""
    stranger = open_broker(venue, key="")
    done = stranger.place_order(order("keyless"))
    stranger.close()
    assert (done.outcome, done.evidence.partition(": ")[0]) == ("unknown", NOTHING)
    assert not exists(broker, "keyless")
