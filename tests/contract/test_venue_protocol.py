"""What the exchange says to requests that are nearly right, and the rules of its order queries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from support.venue_wire import KEY, RESTING, RULES, admin, ask, place, public, recording, running

from tidemill.matching import MAX_OPEN_ORDERS
from tidemill.venue import VenueOptions, VenueServer
from tidemill.venue.account_api import AccountApi
from tidemill.venue.endpoints import KNOWN, PUBLIC, weight_of
from tidemill.venue.errors import VenueError
from tidemill.venue.market_api import MarketApi
from tidemill.venue.parameters import Parameters, to_millis
from tidemill.venue.state import VenueState

pytestmark = pytest.mark.wire
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def venue() -> Iterator[VenueServer]:
    with running() as made:
        yield made


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"clientOrderId": "x"}, -1104, "read '9' parameter(s) but was sent '10'."),
        ({"price": ""}, -1105, "Parameter 'price' was empty."),
        ({"symbol": ""}, -1102, "Mandatory parameter 'symbol'"),
        ({"symbol": "aaplusd"}, -1100, "legal range is '^[A-Z0-9-_.]{1,20}$'"),
        ({"quantity": "1e2"}, -1100, r"legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'"),
        ({"price": "400.123456789"}, -1111, "Parameter 'price' has too much precision."),
        ({"newClientOrderId": "a b"}, -1100, "legal range is '^[a-zA-Z0-9-_]{1,36}$'"),
        ({"timeInForce": "GTD"}, -1115, "Invalid timeInForce."),
        ({"strategyType": "7"}, -1134, "strategyType"),
        ({"icebergQty": "1"}, -2010, "Iceberg orders"),
        ({"pegPriceType": "PRIMARY_PEG"}, -2010, "Pegged orders"),
        ({"trailingDelta": "100"}, -2010, "Trailing stop orders"),
        ({"type": "STOP_LOSS"}, -2010, "Stop loss orders"),
        ({"selfTradePreventionMode": "EXPIRE_BOTH"}, -1130, "selfTradePreventionMode"),
        ({"type": "LIMIT_MAKER", "timeInForce": "GTC"}, -1106, "Parameter 'timeInForce' sent when not required."),
        ({"price": "0.0001"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "2000000000"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.5"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "1000"}, -2010, "Account has insufficient balance for requested action."),
    ],
)
def test_orders_that_are_nearly_right(venue: VenueServer, changes: dict[str, str], code: int, text: str) -> None:
    answer = place(venue, "nearly", **changes)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert text in answer.json()["msg"]


@pytest.mark.parametrize(
    ("path", "sent", "code"),
    [
        ("time", {"symbol": "AAPLUSD"}, -1101),
        ("klines", {"symbol": "AAPLUSD", "interval": "1d", "since": "1"}, -1104),
        ("klines", {"symbol": "AAPLUSD", "interval": "1y"}, -1120),
        ("ticker/price", {"symbol": "AAPLUSD", "symbols": '["AAPLUSD"]'}, -1128),
        ("ticker/price", {"symbols": '["AAPLUSD","NONE"]'}, -1121),
        ("aggTrades", {"symbol": "AAPLUSD", "fromId": "1", "startTime": "1"}, -1128),
        ("depth", {}, -1102),
        ("ticker/24hr", {"symbol": "AAPLUSD", "type": "MICRO"}, -1139),
        ("ticker/price", {"symbol": "AAPLUSD", "symbolStatus": "HALT"}, -1220),
        ("exchangeInfo", {"symbolStatus": "ASLEEP"}, -1122),
        ("klines", {"symbol": "AAPLUSD", "interval": "1d", "timeZone": "8"}, -1130),
    ],
)
def test_public_requests_that_are_nearly_right(venue: VenueServer, path: str, sent: dict[str, str], code: int) -> None:
    answer = public(venue, path, **sent)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_answers_are_as_long_as_asked_for(venue: VenueServer) -> None:
    full = public(venue, "ticker/24hr", symbol="AAPLUSD").json()
    mini = public(venue, "ticker/24hr", symbol="AAPLUSD", type="MINI").json()
    assert mini.items() < full.items()
    assert public(venue, "exchangeInfo", symbolStatus="HALT").json()["symbols"] == []
    ack = {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert set(place(venue, "short", newOrderRespType="ACK").json()) == ack
    assert "status" in place(venue, "middle", newOrderRespType="RESULT").json()
    assert "fills" in place(venue, "long").json()
    maker = {name: value for name, value in RESTING.items() if name != "timeInForce"} | {"type": "LIMIT_MAKER"}
    assert set(ask(venue, "POST", "order", maker).json()) == ack  # only limit and market orders are told in full


def test_an_order_is_found_by_ids_that_belong_together(venue: VenueServer) -> None:
    made = place(venue, "both").json()
    ids = {"symbol": "AAPLUSD", "orderId": str(made["orderId"])}
    assert ask(venue, "GET", "order", ids | {"origClientOrderId": "both"}).ok
    for method in ("GET", "DELETE"):
        assert ask(venue, method, "order", ids | {"origClientOrderId": "other"}).json()["code"] == -2039
    assert ask(venue, "DELETE", "order", ids | {"cancelRestrictions": "ONLY_OLD"}).json()["code"] == -1145
    refused = ask(venue, "DELETE", "order", ids | {"cancelRestrictions": "ONLY_PARTIALLY_FILLED"}).json()
    assert (refused["code"], "cancel restrictions" in refused["msg"]) == (-2011, True)
    gone = ask(venue, "DELETE", "order", ids | {"cancelRestrictions": "ONLY_NEW", "newClientOrderId": "gone"}).json()
    assert (gone["status"], gone["origClientOrderId"], gone["clientOrderId"]) == ("CANCELED", "both", "gone")
    # The cancel has taken the client order id away, and freed it.
    assert ask(venue, "GET", "order", {"symbol": "AAPLUSD", "origClientOrderId": "both"}).json()["code"] == -2013
    assert ask(venue, "GET", "order", {"symbol": "AAPLUSD", "origClientOrderId": "gone"}).json()["status"] == "CANCELED"
    assert ask(venue, "DELETE", "order", ids).json()["code"] == -2011
    assert place(venue, "both").ok


def test_ranges_are_at_most_a_day_and_ids_go_without_times(venue: VenueServer) -> None:
    day = 24 * 3600 * 1000
    for path in ("allOrders", "myTrades"):
        long = {"symbol": "AAPLUSD", "startTime": str(now_ms() - day - 1), "endTime": str(now_ms())}
        assert ask(venue, "GET", path, long).json()["code"] == -1127
        assert ask(venue, "GET", path, long | {"startTime": str(now_ms() - day + 9000)}).ok
    mixed = {"symbol": "AAPLUSD", "fromId": "1", "startTime": "1"}
    assert ask(venue, "GET", "myTrades", mixed).json()["code"] == -1128
    micros = {"symbol": "AAPLUSD", "startTime": str((now_ms() - 1000) * 1000)}
    place(venue, "just-now")
    assert "just-now" in {one["clientOrderId"] for one in ask(venue, "GET", "allOrders", micros).json()}


def test_the_limit_on_open_orders_is_announced_and_kept() -> None:
    with running() as venue:
        (symbol,) = public(venue, "exchangeInfo", symbol="AAPLUSD").json()["symbols"]
        limits = {one["filterType"]: one for one in symbol["filters"]}
        most = limits["MAX_NUM_ORDERS"]["maxNumOrders"]
        assert most == MAX_OPEN_ORDERS
        assert all(place(venue, f"n{number}", price="1").ok for number in range(most))
        refused = place(venue, "one-more", price="1").json()
        assert (refused["code"], refused["msg"]) == (-2010, "Filter failure: MAX_NUM_ORDERS")
        assert ask(venue, "DELETE", "order", {"symbol": "AAPLUSD", "origClientOrderId": "n0"}).ok
        assert place(venue, "one-more", price="1").ok
        assert len(ask(venue, "DELETE", "openOrders", {"symbol": "AAPLUSD"}).json()) == most


class Hands:
    """A wall clock whose hands a test moves: each reading takes the next moment, the last one again and again."""

    def __init__(self, *moments: datetime) -> None:
        self.moments = list(moments)

    def __call__(self) -> datetime:
        return self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]


def account_at(wall: Hands) -> AccountApi:
    state = VenueState(VenueOptions(recording=recording(), rules=RULES), wall)
    state.open_account(KEY, "s1", {"USD": "100000"})
    state.move_clock(datetime(2013, 2, 13, 0, 0, 45, tzinfo=UTC))
    return AccountApi(state)


def parameters(**sent: str) -> Parameters:
    return Parameters(RESTING | {"timestamp": str(to_millis(NOW)), "recvWindow": "1000"} | sent, "")


def test_the_window_is_looked_at_again_just_before_matching() -> None:
    """In time on arrival, too late when it would be matched: refused, and nothing is placed or cancelled."""
    wall = Hands(NOW)
    account = account_at(wall)
    parameters().check_window(wall())
    assert account.place(KEY, parameters(newClientOrderId="in-time"))["status"] == "NEW"
    wall.moments = [NOW + timedelta(milliseconds=900), NOW + timedelta(milliseconds=1100)]
    late = parameters(newClientOrderId="late", origClientOrderId="in-time")
    late.check_window(wall())
    for attempt in (account.place, account.cancel):
        with pytest.raises(VenueError) as refused:
            attempt(KEY, late)
        assert refused.value.code == -1021
    assert [one.client_order_id for one in account.state.exchange.orders(KEY, open_only=True)] == ["in-time"]


def test_what_ended_unfilled_is_archived_after_ninety_days() -> None:
    wall = Hands(NOW)
    account = account_at(wall)
    for name, changes in (("kept", {"price": "490"}), ("forgotten", {"timeInForce": "IOC"})):
        account.place(KEY, parameters(newClientOrderId=name, **changes))
    wall.moments = [NOW + timedelta(days=89)]
    assert account.query(KEY, parameters(origClientOrderId="forgotten"))["status"] == "EXPIRED"
    wall.moments = [NOW + timedelta(days=91)]
    with pytest.raises(VenueError) as refused:
        account.query(KEY, parameters(origClientOrderId="forgotten"))
    assert refused.value.code == -2026
    assert account.query(KEY, parameters(origClientOrderId="kept"))["status"] == "FILLED"


def test_every_endpoint_says_what_it_reads() -> None:
    state = VenueState(VenueOptions(recording=recording(), rules=RULES))
    served = set(AccountApi(state).routes) | {("GET", path) for path in MarketApi(state).routes}
    assert served == set(KNOWN)
    assert {path for _, path in served} >= PUBLIC


@pytest.mark.parametrize(
    ("path", "query", "weight"),
    [
        ("order", "", 4),
        ("openOrders", "", 80),
        ("openOrders", "symbol=AAPLUSD", 6),
        ("myTrades", "symbol=A&orderId=1", 5),
        ("myTrades", "symbol=A", 20),
        ("depth", "symbol=A&limit=100", 5),
        ("depth", "symbol=A&limit=5000", 250),
        ("depth", "symbol=A&limit=x", 5),
        ("ticker/24hr", "", 80),
        ("rateLimit/order", "", 40),
        ("ping", "", 1),
    ],
)
def test_weights_are_the_announced_ones(path: str, query: str, weight: int) -> None:
    assert weight_of("GET", path, query) == weight
    assert weight_of("POST", path, query) == 1


def test_the_clock_is_told_to_anyone_and_the_rest_to_who_has_the_token(venue: VenueServer) -> None:
    import requests

    assert requests.get(f"{venue.admin_url}/clock", timeout=10).json() == {"now": "2013-02-13T00:00:45Z"}
    for method, path in (
        ("GET", "truth"),
        ("POST", "clock"),
        ("POST", "accounts"),
        ("POST", "faults"),
        ("DELETE", "faults"),
    ):
        assert requests.request(method, f"{venue.admin_url}/{path}", json={}, timeout=10).status_code == 401
    assert set(admin(venue, "GET", "truth")) >= {"orders", "trades", "balances"}
    head = {"X-Admin-Token": venue.token}
    unknown = requests.post(f"{venue.admin_url}/faults", json={"fault": "gremlins"}, headers=head, timeout=10)
    assert (unknown.status_code, "drop_after" in unknown.json()["error"]) == (400, True)
