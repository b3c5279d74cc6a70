"""The paper venue's second protocol as bytes: acks, queries that lag, ids for ever, windows, limits, faults."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from support.venue_wire import KEY, SECRET, WAIT, admin, fault, running

from tidemill.venue import UNLIMITED, Limits, VenueServer
from tidemill.venue.bybit.errors import translate
from tidemill.venue.bybit.shapes import order_id_text, to_order_id
from tidemill.venue.errors import VenueError

pytestmark = pytest.mark.wire
ORDER = {"category": "spot", "symbol": "AAPLUSD", "side": "Buy", "orderType": "Limit", "qty": "1", "price": "400"}
SPOT = {"category": "spot", "symbol": "AAPLUSD"}


@pytest.fixture(scope="module")
def venue() -> Iterator[VenueServer]:
    with running(protocol="bybit", ack_seconds=0.0) as made:
        yield made


def send(
    venue: VenueServer,
    method: str,
    path: str,
    sent: dict[str, Any],
    *,
    age_ms: int = 0,
    window: str = "5000",
    **head: str,
) -> requests.Response:
    payload = urlencode(sent) if method == "GET" else json.dumps(sent)
    stamp = str(int(time.time() * 1000) - age_ms)
    mark = hmac.new(SECRET.encode(), f"{stamp}{KEY}{window}{payload}".encode(), hashlib.sha256).hexdigest()
    headers = {"X-BAPI-API-KEY": KEY, "X-BAPI-TIMESTAMP": stamp, "X-BAPI-RECV-WINDOW": window, "X-BAPI-SIGN": mark}
    url = f"{venue.rest_url}/v5/{path}" + (f"?{payload}" if method == "GET" else "")
    body = payload if method == "POST" else None
    return requests.request(method, url, data=body, headers=headers | head, timeout=WAIT)


def create(venue: VenueServer, name: str, **changes: Any) -> dict[str, Any]:
    return send(venue, "POST", "order/create", ORDER | {"orderLinkId": name} | changes).json()


def listed(venue: VenueServer, path: str, **sent: Any) -> list[dict[str, Any]]:
    found = send(venue, "GET", path, SPOT | sent).json()
    assert found["retCode"] == 0, found
    return found["result"]["list"]


def test_an_ack_tells_ids_and_queries_tell_the_rest_later() -> None:
    with running(protocol="bybit", ack_seconds=0.4) as venue:
        acked = create(venue, "acked")
        assert set(acked["result"]) == {"orderId", "orderLinkId"}
        assert listed(venue, "order/realtime", orderLinkId="acked") == []
        assert acked["result"]["orderLinkId"] in {
            one["clientOrderId"] for one in admin(venue, "GET", "truth")["orders"]
        }
        time.sleep(0.5)
        (shown,) = listed(venue, "order/realtime", orderLinkId="acked")
        assert (shown["orderId"], shown["orderStatus"]) == (acked["result"]["orderId"], "New")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"category": "linear"}, 10001),
        ({"symbol": "NONE"}, 170121),
        ({"side": "buy"}, 170117),
        ({"orderType": "Stop"}, 170116),
        ({"timeInForce": "GTD"}, 170115),
        ({"qty": "many"}, 170130),
        ({"qty": None}, 10001),
        ({"price": None}, 10001),
        ({"price": "400.00001"}, 170134),
        ({"price": "0.00001"}, 170133),
        ({"price": "2000000000"}, 170132),
        ({"qty": "1.5"}, 170137),
        ({"qty": "0.5"}, 170136),
        ({"qty": "9000000001"}, 170381),
        ({"price": "0.0001"}, 170140),
        ({"qty": "1000"}, 170131),
        ({"price": "490", "timeInForce": "PostOnly"}, 170218),
        ({"orderLinkId": "x" * 37}, 10001),
        ({"triggerPrice": "410"}, 170227),
        ({"isLeverage": 1}, 170227),
        ({"orderType": "Market", "marketUnit": "lots"}, 10001),
    ],
)
def test_orders_that_are_nearly_right(venue: VenueServer, changes: dict[str, Any], code: int) -> None:
    before = admin(venue, "GET", "truth")
    answer = send(venue, "POST", "order/create", ORDER | {"orderLinkId": "nearly"} | changes)
    assert (answer.status_code, answer.json()["retCode"]) == (200, code), answer.text
    assert admin(venue, "GET", "truth") == before


def test_who_asks_is_checked(venue: VenueServer) -> None:
    wallet = ("GET", "account/wallet-balance", {"accountType": "UNIFIED"})
    assert send(venue, *wallet).json()["retCode"] == 0
    assert send(venue, *wallet, **{"X-BAPI-API-KEY": "nobody"}).json()["retCode"] == 10003
    assert send(venue, *wallet, **{"X-BAPI-SIGN": "0" * 64}).json()["retCode"] == 10004
    assert send(venue, *wallet, **{"X-BAPI-TIMESTAMP": "soon"}).json()["retCode"] == 10001
    assert send(venue, *wallet, age_ms=600, window="500").json()["retCode"] == 10002
    assert send(venue, *wallet, age_ms=-1500).json()["retCode"] == 10002
    assert send(venue, "POST", "order/wishes", {}).json()["retCode"] == 10017
    garbled = requests.post(f"{venue.rest_url}/v5/order/create", data="{", timeout=WAIT)
    assert garbled.json()["retCode"] == 10001


def test_what_is_done_late_is_refused_once_its_window_is_over(venue: VenueServer) -> None:
    fault(venue, "late", seconds=0.3)
    late = send(venue, "POST", "order/create", ORDER | {"orderLinkId": "late"}, window="100")
    assert late.json()["retCode"] == 10002
    assert listed(venue, "order/realtime", orderLinkId="late") == []


@pytest.mark.parametrize(
    ("name", "status", "code", "placed"),
    [
        ("error_1006_after", 200, 10016, True),
        ("error_1007_before", 200, 10000, False),
        ("error_1008", 429, 429, False),
        ("error_1021", 200, 10002, False),
        ("too_many_429", 200, 10006, False),
        ("too_many_orders", 200, 170222, False),
        ("maintenance", 200, 10016, False),
    ],
)
def test_faults_speak_this_protocol(venue: VenueServer, name: str, status: int, code: int, placed: bool) -> None:
    fault(venue, name)
    answer = send(venue, "POST", "order/create", ORDER | {"orderLinkId": name})
    assert (answer.status_code, answer.json()["retCode"]) == (status, code)
    assert bool(listed(venue, "order/realtime", orderLinkId=name)) is placed


def test_an_unheard_of_breakdown_is_a_server_error() -> None:
    assert translate(VenueError(-9999, "?")).code == 10016


def test_pages_follow_cursors_newest_first(venue: VenueServer) -> None:
    for number in range(5):
        create(venue, f"page-{number}", timeInForce="IOC")
        create(venue, f"buys-{number}", orderType="Market", qty="1", marketUnit="baseCoin")
    for path, named in (("order/history", "orderId"), ("execution/list", "execId")):
        seen: list[str] = []
        cursor = ""
        while True:
            page = send(venue, "GET", path, SPOT | {"limit": "2", "cursor": cursor}).json()["result"]
            assert len(page["list"]) <= 2
            seen += [one[named] for one in page["list"]]
            cursor = page["nextPageCursor"]
            if not cursor:
                break
        assert len(seen) >= 5
        assert seen == sorted(set(seen), reverse=True)
    statuses = {one["orderLinkId"]: one["orderStatus"] for one in listed(venue, "order/history", limit="50")}
    assert (statuses["page-0"], statuses["buys-0"]) == ("Cancelled", "Filled")
    too_long = {"startTime": "1", "endTime": str(8 * 24 * 3600 * 1000)}
    assert send(venue, "GET", "order/history", SPOT | too_long).json()["retCode"] == 10001
    by_order = listed(venue, "execution/list", orderLinkId="buys-3")
    assert [one["orderLinkId"] for one in by_order] == ["buys-3"]
    assert by_order[0]["feeRate"] == "0.001"
    assert listed(venue, "execution/list", execType="Funding") == []


def test_what_closed_before_a_restart_is_in_the_history_only(tmp_path: Path) -> None:
    stored = {"protocol": "bybit", "ack_seconds": 0.0, "database": tmp_path / "venue.db"}
    with running(**stored) as venue:
        create(venue, "closed", timeInForce="IOC")
        create(venue, "open")
        assert [one["orderLinkId"] for one in listed(venue, "order/realtime", openOnly="1")] == ["closed"]
        before = listed(venue, "order/history")
        options = venue.options
    again = VenueServer(replace(options, limits=UNLIMITED))
    again.start()
    try:
        assert listed(again, "order/realtime", openOnly="1") == []
        assert [one["orderLinkId"] for one in listed(again, "order/realtime")] == ["open"]
        assert listed(again, "order/history") == before
        assert create(again, "closed")["retCode"] == 170141
    finally:
        again.stop()


def test_who_asks_too_often_is_told_so() -> None:
    with running(limits=Limits(), protocol="bybit") as venue:
        answers = [create(venue, f"often-{number}") for number in range(25)]
        codes = [one["retCode"] for one in answers]
        assert codes[:20] == [0] * 20
        assert 10006 in codes[20:]
        answer = send(venue, "GET", "order/realtime", SPOT)
        assert (answer.headers["X-Bapi-Limit"], answer.headers["X-Bapi-Limit-Status"]) == ("50", "49")


def test_first_line_names_no_streams_and_ids_go_both_ways(venue: VenueServer) -> None:
    assert (venue.first_line()["ws"], venue.first_line()["ws_api"]) == (None, None)
    assert to_order_id(order_id_text(7)) == 7
    assert to_order_id("nonsense") == 0
    assert send(venue, "POST", "order/cancel", SPOT | {"orderId": "7"}).json()["retCode"] == 170213
    assert send(venue, "POST", "order/cancel", SPOT).json()["retCode"] == 10001
    assert send(venue, "POST", "order/amend", SPOT).json()["retCode"] == 170312
