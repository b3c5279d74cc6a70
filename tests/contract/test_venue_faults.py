"""Every fault by name: what the sender sees, and what was really done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import requests
from support.venue_wire import admin, ask, fault, place, public, running, truly_placed

from tidemill.venue import FAULTS, Limits, VenueServer
from tidemill.venue.faults import REQUEST_FAULTS, SPELL_FAULTS, STREAM_FAULTS

pytestmark = pytest.mark.wire
Seen = Callable[[requests.Response], bool]


@pytest.fixture(scope="module")
def venue() -> Iterator[VenueServer]:
    with running() as made:
        yield made


def is_page(status: int) -> Seen:
    return lambda answer: answer.status_code == status and answer.text.startswith("<html>")


def is_error(status: int, code: int, *, waits: bool = False) -> Seen:
    return lambda answer: (
        (answer.status_code, answer.json()["code"]) == (status, code) and ("Retry-After" in answer.headers) is waits
    )


def is_broken_json(answer: requests.Response) -> bool:
    return answer.ok and answer.headers["Content-Type"].startswith("application/json") and not parses(answer)


def parses(answer: requests.Response) -> bool:
    try:
        answer.json()
    except ValueError:
        return False
    return True


def is_cut(_answer: requests.Response) -> bool:
    raise AssertionError("there should have been no answer")


# By name: what the sender sees, and whether the order was placed.
EXPECTED: dict[str, tuple[Seen, bool]] = {
    "drop_before": (is_cut, False),
    "drop_after": (is_cut, True),
    "no_answer_before": (is_cut, False),
    "no_answer_after": (is_cut, True),
    "late": (lambda answer: answer.ok and parses(answer), True),
    "zombie": (is_cut, True),
    "html_502": (is_page(502), True),
    "html_502_before": (is_page(502), False),
    "html_200": (is_page(200), True),
    "forbidden_403": (is_page(403), False),
    "truncated_body": (is_cut, True),
    "truncated_json": (is_broken_json, True),
    "empty_body": (is_broken_json, True),
    "error_1006_before": (is_error(500, -1006), False),
    "error_1006_after": (is_error(500, -1006), True),
    "error_1007_before": (is_error(503, -1007), False),
    "error_1007_after": (is_error(503, -1007), True),
    "error_1008": (is_error(503, -1008), False),
    "error_1021": (is_error(400, -1021), False),
    "too_many_429": (is_error(429, -1003, waits=True), False),
    "too_many_orders": (is_error(429, -1015, waits=True), False),
    "banned_418": (is_error(418, -1003, waits=True), False),
    "maintenance": (is_error(503, -1000), False),
}


def test_every_fault_is_expected_somewhere() -> None:
    assert set(EXPECTED) == set(REQUEST_FAULTS)
    assert {"connection_refused", "query_lag"} == set(SPELL_FAULTS)
    assert set(FAULTS) == set(REQUEST_FAULTS) | set(STREAM_FAULTS) | set(SPELL_FAULTS)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_fault_does_what_its_name_says(venue: VenueServer, name: str) -> None:
    seen, done = EXPECTED[name]
    fault(venue, name, seconds=0.4)
    try:
        assert seen(place(venue, f"by-{name}", recvWindow="5000"))
    except requests.RequestException:
        assert seen is is_cut
    if name == "zombie":
        assert not truly_placed(venue, "by-zombie")  # a query now would say that there is none
        time.sleep(0.6)
    assert truly_placed(venue, f"by-{name}") is done
    assert place(venue, f"after-{name}").ok  # it struck once


def test_without_a_fault_an_order_is_placed_and_answered(venue: VenueServer) -> None:
    """The table can fail: nothing here is so by itself."""
    assert place(venue, "healthy").json()["clientOrderId"] == "healthy"
    assert truly_placed(venue, "healthy")


def test_what_is_done_late_is_refused_once_its_window_is_over(venue: VenueServer) -> None:
    fault(venue, "late", seconds=0.3)
    assert place(venue, "too-late", recvWindow="100").json()["code"] == -1021
    assert not truly_placed(venue, "too-late")


def test_a_storm_of_429_ends_by_itself(venue: VenueServer) -> None:
    fault(venue, "too_many_429", on="all", count=5)
    answers = [public(venue, "time") for _ in range(6)]
    assert [one.status_code for one in answers] == [429] * 5 + [200]
    assert all(int(one.headers["Retry-After"]) > 0 for one in answers[:5])


def test_maintenance_lasts_until_it_is_lifted(venue: VenueServer) -> None:
    fault(venue, "maintenance", on="all", count=10**6)
    assert {public(venue, "klines").status_code, place(venue, "closed").status_code} == {503}
    admin(venue, "DELETE", "faults")
    assert place(venue, "open-again").ok
    assert not truly_placed(venue, "closed")


def test_queries_lag_behind_what_was_placed(venue: VenueServer) -> None:
    fault(venue, "query_lag", seconds=1.0)
    placed = place(venue, "lags").json()
    query = {"symbol": "AAPLUSD", "origClientOrderId": "lags"}
    assert ask(venue, "GET", "order", query).json()["code"] == -2013
    for path in ("openOrders", "allOrders"):
        assert placed["orderId"] not in {
            one["orderId"] for one in ask(venue, "GET", path, {"symbol": "AAPLUSD"}).json()
        }
    assert truly_placed(venue, "lags")
    time.sleep(1.1)
    assert ask(venue, "GET", "order", query).json()["orderId"] == placed["orderId"]


def test_the_port_is_closed_for_a_while() -> None:
    with running() as venue:
        fault(venue, "connection_refused", seconds=0.5)
        with pytest.raises(requests.ConnectionError, match="refused"):
            public(venue, "time")
        time.sleep(0.8)
        assert public(venue, "time").ok


def test_a_fault_takes_what_matches_and_by_seed_the_same_ones(venue: VenueServer) -> None:
    fault(venue, "error_1008", match="chosen")
    assert place(venue, "another").ok
    assert place(venue, "chosen").status_code == 503
    struck = []
    for _ in range(2):
        fault(venue, "error_1008", on="market", count=100, seed=7)
        struck.append([public(venue, "time").status_code for _ in range(12)])
        admin(venue, "DELETE", "faults")
    assert struck[0] == struck[1]
    assert set(struck[0]) == {200, 503}


def test_who_asks_too_much_waits_and_who_goes_on_is_banned() -> None:
    with running(limits=Limits(weight_per_minute=30)) as venue:
        seen = [public(venue, "exchangeInfo") for _ in range(60)]
        assert [one.status_code for one in seen[:2]] == [200, 429]
        assert seen[1].json()["code"] == seen[-1].json()["code"] == -1003
        assert seen[-1].status_code == 418
        assert int(seen[-1].headers["Retry-After"]) > 60
        assert seen[0].headers["X-MBX-USED-WEIGHT-1M"] == "20"


def test_new_orders_are_counted_until_they_trade() -> None:
    with running(limits=Limits(orders_per_10_seconds=3)) as venue:
        filled = [place(venue, f"fills-{number}", price="490") for number in range(5)]
        assert {one.json()["status"] for one in filled} == {"FILLED"}
        assert filled[-1].headers["X-MBX-ORDER-COUNT-10S"] == "0"
        resting = [place(venue, f"rests-{number}") for number in range(4)]
        assert [one.status_code for one in resting] == [200, 200, 200, 429]
        assert resting[-1].json()["code"] == -1015
        assert [one["count"] for one in ask(venue, "GET", "rateLimit/order").json()] == [3, 3]
