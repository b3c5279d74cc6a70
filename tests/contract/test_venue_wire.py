"""The paper venue over the wire with the real client: orders, faults, recovery."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

import ccxt
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.adapters.ccxt.broker import CcxtBroker
from tidemill.adapters.ccxt.exchange import Connection
from tidemill.adapters.ccxt.market import CcxtMarket
from tidemill.adapters.clocks import VenueClock
from tidemill.adapters.venues.capabilities import CAPABILITIES, capability, check_live
from tidemill.domain.errors import ConfigurationError, DataError, TransientError
from tidemill.domain.trading import OrderRequest, OrderState, OrderType, Side, TimeInForce
from tidemill.matching import FillRules
from tidemill.recording import Recording, bundled_recording
from tidemill.venue import UNLIMITED, VenueOptions, VenueServer

pytestmark = pytest.mark.wire
AAPL = "AAPL-USD.SAMPLE"
OPEN = datetime(2013, 2, 13, tzinfo=UTC)
RULES = FillRules(
    slippage=Decimal("0.0005"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return bundled_recording()


@pytest.fixture
def venue(recording: Recording) -> Iterator[VenueServer]:
    made = VenueServer(VenueOptions(recording=recording, rules=RULES, limits=UNLIMITED))
    made.start()
    admin(made, "accounts", {"key": "k1", "secret": "s1", "balances": {"USD": "100000"}})
    admin(made, "clock", {"now": "2013-02-13T00:00:45Z"})
    yield made
    made.stop()


def admin(venue: VenueServer, path: str, body: dict) -> dict:
    answer = requests.post(f"{venue.admin_url}/{path}", json=body, headers={"X-Admin-Token": venue.token}, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


@pytest.fixture
def market(venue: VenueServer) -> Iterator[CcxtMarket]:
    clock = VenueClock(venue.admin_url)
    made = CcxtMarket("binance", venue="SAMPLE", rest_url=venue.rest_url, market_clock=clock, assumed_delay_seconds=1)
    yield made
    made.close()


@pytest.fixture
def broker(venue: VenueServer, market: CcxtMarket) -> Iterator[CcxtBroker]:
    made = open_broker(venue.rest_url, market)
    yield made
    made.close()


def open_broker(rest_url: str, market: CcxtMarket) -> CcxtBroker:
    return CcxtBroker(
        "binance",
        Connection(rest_url=rest_url, key="k1", secret="s1", timeout_seconds=3),
        venue="SAMPLE",
        instruments=market.fetch_instruments(),
        capability=capability("paper"),
    )


def request(name: str, **changes) -> OrderRequest:
    made = OrderRequest(
        client_order_id=name,
        instrument=AAPL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(10),
        limit_price=Decimal("480.1234"),
        sent_at=datetime.now(UTC),
        window_ms=5000,
    )
    return replace(made, **changes)


def test_instruments_carry_their_exact_steps(market: CcxtMarket) -> None:
    found = {one.id: one for one in market.fetch_instruments()}
    assert set(found) == {f"{base}-USD.SAMPLE" for base in ("AAPL", "GOOG", "IBM", "MSFT")}
    assert found[AAPL].price_step == Decimal("0.0001")
    assert (found[AAPL].lot_step, found[AAPL].min_notional) == (Decimal(1), Decimal(1))


def test_bars_are_paged_exact_and_closed(market: CcxtMarket, recording: Recording) -> None:
    start = datetime(2006, 1, 1, tzinfo=UTC)
    fetched = market.fetch_bars(AAPL, "1d", start, OPEN + timedelta(days=9))
    recorded = recording.as_bars(AAPL, start, OPEN)
    assert len(fetched) > 1000
    assert fetched.equals(recorded)
    assert not len(market.fetch_bars(AAPL, "1d", OPEN, OPEN + timedelta(days=9)))


def test_an_unknown_instrument_or_timeframe_is_named(market: CcxtMarket) -> None:
    with pytest.raises(DataError, match=r"XXX-USD\.SAMPLE"):
        market.fetch_bars("XXX-USD.SAMPLE", "1d", OPEN, OPEN)
    with pytest.raises(DataError, match="7d"):
        market.fetch_bars(AAPL, "7d", OPEN, OPEN)


def test_an_order_fills_and_is_found_again(broker: CcxtBroker) -> None:
    done = broker.place_order(request("s1"))
    assert done.outcome == "acked"
    assert done.order.state is OrderState.FILLED
    (fill,) = broker.fetch_fills(AAPL, None)
    assert (fill.quantity, fill.fee, fill.fee_asset) == (Decimal(10), Decimal("0.01"), "AAPL")
    assert fill.price == Decimal("467.4437")
    assert not broker.fetch_fills(AAPL, fill.trade_id)
    balances = broker.fetch_balances()
    assert balances["AAPL"].total == Decimal("9.99")
    assert balances["USD"].total == Decimal(100_000) - Decimal("4674.437")
    assert broker.fetch_order(AAPL, "s1", None).venue_order_id == done.order.venue_order_id
    assert broker.fetch_order(AAPL, "nobody", None) is None
    assert [one.client_order_id for one in broker.fetch_orders(AAPL, OPEN)] == ["s1"]


def test_a_resting_order_is_cancelled_once(broker: CcxtBroker) -> None:
    rest = {"limit_price": Decimal(400), "time_in_force": TimeInForce.GTC}
    done = broker.place_order(request("s2", **rest))
    assert done.order.state is OrderState.OPEN
    again = broker.place_order(request("s2", **rest))
    assert again.outcome == "unknown"  # a duplicate says that there is an order: ask for it
    assert [one.client_order_id for one in broker.fetch_open_orders([AAPL])] == ["s2"]
    assert broker.cancel_order(AAPL, "s2", None).state is OrderState.CANCELLED
    assert broker.cancel_order(AAPL, "s2", None) is None
    assert broker.fetch_order(AAPL, "s2", None) is None  # the cancel replaced its client id
    assert broker.fetch_order(AAPL, "s2", done.order.venue_order_id).state is OrderState.CANCELLED


@pytest.mark.parametrize(
    ("fault", "outcome", "exists"),
    [
        ("drop_before", "unknown", False),
        ("drop_after", "unknown", True),
        ("no_answer_after", "unknown", True),
        ("html_502", "unknown", True),
        ("html_200", "unknown", True),
        ("truncated_json", "unknown", True),
        ("empty_body", "unknown", True),
        ("error_1006_before", "unknown", False),
        ("error_1006_after", "unknown", True),
        ("error_1007_before", "unknown", False),
        ("error_1007_after", "unknown", True),
        ("maintenance", "unknown", False),
        ("too_many_429", "rejected", False),
        ("banned_418", "rejected", False),
    ],
)
def test_only_evidence_decides(venue: VenueServer, broker: CcxtBroker, fault: str, outcome: str, exists: bool) -> None:
    broker.fetch_open_orders([AAPL])
    broker.place_order(request("warm"))  # markets are loaded
    admin(venue, "faults", {"fault": fault, "on": "order", "count": 1})
    done = broker.place_order(request("s3"))
    assert done.outcome == outcome
    assert (broker.fetch_order(AAPL, "s3", None) is not None) is exists


@pytest.mark.parametrize("fault", ["html_200", "truncated_json", "empty_body", "html_502", "truncated_body"])
def test_an_answer_that_is_none_is_no_answer(venue: VenueServer, broker: CcxtBroker, fault: str) -> None:
    broker.place_order(request("q1"))
    for kind, ask in (
        ("query", lambda: broker.fetch_order(AAPL, "q1", None)),
        ("account", broker.fetch_balances),
        ("account", lambda: broker.fetch_fills(AAPL, None)),
        ("account", lambda: broker.fetch_orders(AAPL, OPEN)),
    ):
        admin(venue, "faults", {"fault": fault, "on": kind, "count": 1})
        with pytest.raises(TransientError):
            ask()
        ask()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sent_at": datetime(2020, 1, 1, tzinfo=UTC)}, "-1021"),
        ({"quantity": Decimal(1_000_000)}, "-2010"),
        ({"quantity": Decimal("0.5")}, "LOT_SIZE"),
    ],
)
def test_a_refusal_carries_the_venue_s_code(broker: CcxtBroker, changes: dict, code: str) -> None:
    done = broker.place_order(request("s4", **changes))
    assert done.outcome == "rejected" or code == "LOT_SIZE"
    assert broker.fetch_order(AAPL, "s4", None) is None


def test_the_guard_lets_no_foreign_order_out(broker: CcxtBroker) -> None:
    from tidemill.adapters.ccxt._orders import NotSent, check_outgoing, outgoing, read_outgoing

    row = capability("paper")
    known = request("s5")
    good = (
        f"newClientOrderId=s5&timestamp={int(known.sent_at.timestamp() * 1000)}&recvWindow=5000&quantity=10"
        "&price=480.1234"
    )
    orders = {"s5": outgoing(known, row)}
    check_outgoing(orders, read_outgoing("", {}, good), row)
    for bad in (
        good.replace("s5", "other"),
        good.replace("recvWindow=5000", "recvWindow=60000"),
        good.replace("quantity=10", "quantity=11"),
        "symbol=X",
    ):
        with pytest.raises(NotSent, match="nothing was sent"):
            check_outgoing(orders, read_outgoing("", {}, bad), row)


def test_in_a_hole_the_venue_is_down(venue: VenueServer, market: CcxtMarket, broker: CcxtBroker) -> None:
    admin(venue, "clock", {"now": "2013-02-16T00:00:45Z"})  # a Saturday
    with pytest.raises(TransientError):
        broker.fetch_balances()
    with pytest.raises(TransientError):
        market.fetch_bars(AAPL, "1d", OPEN, OPEN + timedelta(days=9))


def test_live_is_closed_on_every_venue() -> None:
    for exchange in CAPABILITIES:
        with pytest.raises(ConfigurationError, match="refused: "):
            check_live(exchange)
    with pytest.raises(ConfigurationError, match="no row"):
        capability("unheard-of")


def test_no_acknowledged_order_dies_with_the_venue(tmp_path, market: CcxtMarket) -> None:
    command = [sys.executable, "-m", "tidemill", "venue", "--recording", "bundled", "--clock", "recorded"]
    command += ["--db", str(tmp_path / "venue.db")]

    def start() -> tuple[subprocess.Popen, dict]:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        assert child.stdout is not None
        return child, json.loads(child.stdout.readline())

    child, told = start()
    assert told["pid"] == child.pid
    head = {"X-Admin-Token": told["token"]}
    body = {"key": "k1", "secret": "s1", "balances": {"USD": "100000"}}
    assert requests.post(told["admin"] + "/accounts", json=body, headers=head, timeout=10).ok
    requests.post(told["admin"] + "/clock", json={"now": "2013-02-13T00:00:45Z"}, headers=head, timeout=10)
    broker = open_broker(told["rest"], market)
    acked = [broker.place_order(request(f"n{number}")).order for number in range(5)]
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    broker.close()
    child, told = start()
    broker = open_broker(told["rest"], market)
    for order in acked:
        assert broker.fetch_order(AAPL, order.client_order_id, None) == order
    assert len(broker.fetch_fills(AAPL, None)) == 5
    broker.close()
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0


names = st.sampled_from(
    ["symbol", "side", "type", "quantity", "price", "timestamp", "recvWindow", "signature", "limit", "orderId", "x"]
)
paths = st.sampled_from(["order", "account", "klines", "myTrades", "allOrders", "depth", "nothing", "ticker/24hr", ""])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
    path=paths,
    query=st.dictionaries(names, st.text(max_size=20), max_size=5),
    body=st.binary(max_size=60),
    key=st.sampled_from(["", "k1", "wrong", "ä"]),
)
def test_malformed_requests_get_a_code_and_change_nothing(
    venue: VenueServer, method: str, path: str, query: dict, body: bytes, key: str
) -> None:
    before = venue.state.exchange.balances("k1"), venue.state.exchange.order_count
    answer = requests.request(
        method,
        f"{venue.rest_url}/api/v3/{path}",
        params=query,
        data=body if method in {"POST", "DELETE"} else None,
        headers={"X-MBX-APIKEY": key.encode()},
        timeout=10,
    )
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.json()["code"] < 0
    assert (venue.state.exchange.balances("k1"), venue.state.exchange.order_count) == before


# -- orders by quote, and books


def test_a_market_order_by_quote_buys_what_it_pays_for(venue: VenueServer, market: CcxtMarket) -> None:
    admin(venue, "clock", {"now": "2013-02-14T14:30:30Z"})
    client = raw_client(venue)
    made = client.create_order("AAPL/USD", "market", "buy", None, None, {"quoteOrderQty": "10000"})
    assert Decimal(made["info"]["origQuoteOrderQty"]) == 10_000
    spent = Decimal(made["info"]["cummulativeQuoteQty"])
    assert 9_000 < spent <= 10_000
    again = client.fetch_order(made["id"], "AAPL/USD")
    assert again["info"]["origQuoteOrderQty"] == made["info"]["origQuoteOrderQty"]
    for wrong in ({"quoteOrderQty": "10", "type": "limit"}, {"quoteOrderQty": "10", "quantity": "1"}):
        answer = signed(venue, "order", {"symbol": "AAPLUSD", "side": "BUY", "type": "MARKET"} | upper(wrong))
        assert answer.json()["code"] in {-1102, -1106}


def test_a_fed_book_is_served_traded_on_and_survives(recording: Recording, tmp_path: Path) -> None:
    options = VenueOptions(recording=recording, rules=RULES, limits=UNLIMITED, database=tmp_path / "venue.db")
    first = VenueServer(options)
    first.start()
    admin(first, "accounts", {"key": "k1", "secret": "s1", "balances": {"USD": "100000"}})
    admin(first, "clock", {"now": "2013-02-14T14:30:30Z"})
    levels = {"bids": [["460.00", "5"]], "asks": [["461.00", "2"], ["462.00", "4"]]}
    admin(first, "book", {"symbol": "AAPLUSD", **levels})
    client = raw_client(first)
    made = client.create_order("AAPL/USD", "market", "buy", 3)
    assert [(one["price"], one["amount"]) for one in made["trades"]] == [(461.0, 2.0), (462.0, 1.0)]
    book = client.fetch_order_book("AAPL/USD")
    assert (book["bids"], book["asks"]) == ([[460.0, 5.0]], [[462.0, 3.0]])
    first.stop()
    second = VenueServer(options)
    second.start()
    try:
        assert raw_client(second).fetch_order_book("AAPL/USD")["asks"] == [[462.0, 3.0]]
        bad = {"symbol": "AAPLUSD", "bids": [["463", "1"]], "asks": [["462", "1"]]}
        headers = {"X-Admin-Token": second.token}
        refused = requests.post(f"{second.admin_url}/book", json=bad, headers=headers, timeout=10)
        assert refused.status_code == 400
        assert "crossed" in refused.json()["error"]
        gone = requests.delete(f"{second.admin_url}/book", json={"symbol": "AAPLUSD"}, headers=headers, timeout=10)
        assert gone.ok
        assert len(raw_client(second).fetch_order_book("AAPL/USD")["asks"]) > 2
    finally:
        second.stop()


def raw_client(venue: VenueServer) -> ccxt.Exchange:
    base = f"{venue.rest_url}/api/v3"
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    api = dict.fromkeys(("public", "private", "v1", "sapi"), base)
    return ccxt.binance({"apiKey": "k1", "secret": "s1", "options": options, "urls": {"api": api}})


def signed(venue: VenueServer, path: str, parameters: dict) -> requests.Response:
    query = urlencode(parameters | {"timestamp": int(time.time() * 1000)})
    mark = hmac.new(b"s1", query.encode(), hashlib.sha256).hexdigest()
    url = f"{venue.rest_url}/api/v3/{path}?{query}&signature={mark}"
    return requests.post(url, headers={"X-MBX-APIKEY": "k1"}, timeout=10)


def upper(parameters: dict) -> dict:
    return {name: value.upper() for name, value in parameters.items()}
