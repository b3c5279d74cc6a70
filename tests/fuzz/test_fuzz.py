"""Malformed, unsigned, stale, oversized and unknown requests: the exchange's own answer, and nothing has changed.

`make fuzz` runs many more examples of the random part (TIDEMILL_FUZZ).
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from decimal import Decimal

import aiohttp
import pytest
from fuzz.wire import KEY, SECRET, Answer, Venue, encode, now, running_venue, sign

pytestmark = pytest.mark.wire
MANY = int(os.environ.get("TIDEMILL_FUZZ", "400"))
ORDER = {"symbol": "AAPLUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "400"}
PATH = "/api/v3/order"


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with running_venue(tmp_path_factory.mktemp("venue")) as made:
        yield made


def order(**changed: str | None) -> dict[str, str]:
    merged = ORDER | {"timestamp": str(now())} | changed
    return {name: value for name, value in merged.items() if value is not None}


def signed(venue: Venue, key: str | None = KEY, secret: str = SECRET, **changed: str | None) -> Answer:
    return venue.ask("POST", PATH, sign(encode(order(**changed)), secret), key=key)


WRONG: dict[str, tuple[Callable[[Venue], Answer], int, int | None]] = {
    # what is wrong: (how it is sent, status, code)
    "no key": (lambda v: signed(v, key=None), 401, -2014),
    "a key of no such form": (lambda v: signed(v, key="not a key!"), 401, -2014),
    "an unknown key": (lambda v: signed(v, key="nobody"), 401, -2015),
    "no signature": (lambda v: v.ask("POST", PATH, encode(order())), 400, -1102),
    "signed with another secret": (lambda v: signed(v, secret="else"), 400, -1022),
    "changed after signing": (lambda v: v.ask("POST", PATH, sign(encode(order())).replace("=400", "=401")), 400, -1022),
    "no timestamp": (lambda v: signed(v, timestamp=None), 400, -1102),
    "stale": (lambda v: signed(v, timestamp=str(now() - 6000)), 400, -1021),
    "outside its own window": (lambda v: signed(v, timestamp=str(now() - 600), recvWindow="500"), 400, -1021),
    "from the future": (lambda v: signed(v, timestamp=str(now() + 2000)), 400, -1021),
    "a window beyond a minute": (lambda v: signed(v, recvWindow="60001"), 400, -1131),
    "a timestamp of letters": (lambda v: signed(v, timestamp="soon"), 400, -1100),
    "no symbol": (lambda v: signed(v, symbol=None), 400, -1102),
    "an empty symbol": (lambda v: signed(v, symbol=""), 400, -1102),
    "an unknown symbol": (lambda v: signed(v, symbol="NONEUSD"), 400, -1121),
    "no side": (lambda v: signed(v, side=None), 400, -1102),
    "an unknown side": (lambda v: signed(v, side="HOLD"), 400, -1117),
    "an unknown type": (lambda v: signed(v, type="WISH"), 400, -1116),
    "an unknown time in force": (lambda v: signed(v, timeInForce="SOON"), 400, -1115),
    "no time in force": (lambda v: signed(v, timeInForce=None), 400, -1102),
    "no quantity": (lambda v: signed(v, quantity=None), 400, -1102),
    "a quantity of words": (lambda v: signed(v, quantity="many"), 400, -1100),
    "a negative quantity": (lambda v: signed(v, quantity="-1"), 400, -1100),
    "not a number": (lambda v: signed(v, quantity="NaN"), 400, -1100),
    "an endless number": (lambda v: signed(v, quantity="1" * 400), 400, -1100),
    "a quantity of nothing": (lambda v: signed(v, quantity="0"), 400, -1013),
    "half a lot": (lambda v: signed(v, quantity="0.5"), 400, -1013),
    "no price": (lambda v: signed(v, price=None), 400, -1102),
    "off the price step": (lambda v: signed(v, price="400.00001"), 400, -1013),
    "below the least notional": (lambda v: signed(v, price="0.0001"), 400, -1013),
    "beyond the balance": (lambda v: signed(v, quantity="100000"), 400, -2010),
    "a client id too long": (lambda v: signed(v, newClientOrderId="x" * 37), 400, -1100),
    "a client id with blanks": (lambda v: signed(v, newClientOrderId="a b"), 400, -1100),
    "a price for a market order": (lambda v: signed(v, type="MARKET", timeInForce=None), 400, -1106),
    "an unknown answer": (lambda v: signed(v, newOrderRespType="NOVEL"), 400, -1130),
    "a parameter twice": (
        lambda v: v.ask("POST", PATH, sign(encode(order()) + "&quantity=2")),
        400,
        -1101,
    ),
    "neither id": (
        lambda v: v.ask("GET", PATH, sign(encode({"symbol": "AAPLUSD", "timestamp": str(now())}))),
        400,
        -1102,
    ),
    "an order that is none": (
        lambda v: v.ask("GET", PATH, sign(encode({"symbol": "AAPLUSD", "orderId": "77", "timestamp": str(now())}))),
        400,
        -2013,
    ),
    "an unknown path": (lambda v: v.ask("GET", "/api/v3/wishes"), 404, None),
    "another version": (lambda v: v.ask("GET", "/api/v9/time"), 404, None),
    "another method": (lambda v: v.ask("PATCH", PATH), 405, None),
    "posted to what is read": (lambda v: v.ask("POST", "/api/v3/time"), 405, None),
    "an unknown interval": (lambda v: v.ask("GET", "/api/v3/klines", "symbol=AAPLUSD&interval=7q"), 400, -1120),
    "a body beyond all measure": (lambda v: v.ask("POST", PATH, body="a=" + "b" * 200_000), 413, None),
    "a body of bytes": (
        lambda v: v.send(
            b"POST /api/v3/order HTTP/1.1\r\nHost: v\r\nConnection: close\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd"
        ),
        400,
        -1100,
    ),
    "no HTTP at all": (lambda v: v.send(b"\x16\x03\x01\x02\x00hello\r\n\r\n"), 400, None),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_as_the_exchange_does_and_changes_nothing(venue: Venue, name: str) -> None:
    send, status, code = WRONG[name]
    before = venue.truth()
    answer = send(venue)
    assert answer.status == status, answer.text
    if code is not None:
        assert answer.code == code, answer.text
    assert venue.truth() == before
    assert "Traceback" not in venue.said()


def test_the_table_can_fail(venue: Venue) -> None:
    """The same request with nothing wrong is taken."""
    before = venue.truth()
    assert signed(venue).status == 200
    assert len(venue.truth()["orders"]) == len(before["orders"]) + 1


# -- at random

VALUES = ["", " ", "0", "-1", "1", "1.5", "400", "1e5", "NaN", "Infinity", "9" * 18, "9" * 400, "0." + "0" * 30 + "1"]
VALUES += [
    "true",
    "null",
    "[]",
    "{}",
    '["AAPLUSD"]',
    "AAPLUSD",
    "aaplusd",
    "BUY",
    "LIMIT",
    "GTC",
    "x" * 37,
    "\x00",
    "٣",
]
VALUES += ["'; DROP TABLE orders;--", "../../etc/passwd", "%", "%zz", "😀", "a\r\nX: y", "1\n", "18446744073709551616"]
VALUES += ["\x00", "٣"]
NAMES = ["symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "stopPrice"]
NAMES += ["newClientOrderId", "origClientOrderId", "orderId", "fromId", "startTime", "endTime", "limit", "interval"]
NAMES += ["recvWindow", "newOrderRespType", "cancelReplaceMode", "cancelOrderId", "icebergQty", "omitZeroBalances"]
SIGNED = ["order", "order/test", "order/cancelReplace", "account", "openOrders", "allOrders", "myTrades"]
SIGNED += ["account/commission"]
PUBLIC = ["ping", "time", "exchangeInfo", "klines", "uiKlines", "ticker/24hr", "ticker/price", "ticker/bookTicker"]
PUBLIC += ["depth", "trades", "historicalTrades", "aggTrades", "avgPrice"]
METHODS = ["GET", "POST", "DELETE", "PUT"]


def random_parameters(chance: random.Random) -> dict[str, str]:
    made = {"symbol": "AAPLUSD"} if chance.random() < 0.7 else {}
    if chance.random() < 0.5:
        made |= ORDER
    for _ in range(chance.randint(0, 4)):
        made[chance.choice(NAMES)] = chance.choice(VALUES)
    return made


def fair(answer: Answer) -> bool:
    """Whether the exchange could have answered this: success, or a refusal with a code, never a breakdown."""
    if answer.status == 200:
        json.loads(answer.text)
        return True
    return 400 <= answer.status < 500 and answer.code is not None and answer.code < 0


def check_unchanged(before: dict, after: dict, answer: Answer, what: str) -> None:
    if answer.status not in {0, 200, 409}:  # none, done, half done and told so
        assert after == before, what


def test_signed_requests_with_random_parameters(venue: Venue) -> None:
    chance = random.Random(3)
    before = venue.truth()
    for _ in range(MANY):
        method, path = chance.choice(METHODS), chance.choice(SIGNED + PUBLIC)
        parameters = random_parameters(chance) | {"timestamp": str(now())}
        query = sign(encode(parameters))
        answer = venue.ask(method, f"/api/v3/{path}", query)
        what = f"{method} {path} {parameters} -> {answer}"
        assert fair(answer), what
        after = venue.truth()
        check_unchanged(before, after, answer, what)
        before = after
    check_alive(venue)


def test_bytes_gone_wrong(venue: Venue) -> None:
    """A good request with bytes dropped, doubled, flipped or cut: no answer, or one that the exchange could give."""
    chance = random.Random(4)
    before = venue.truth()
    for _ in range(MANY):
        query = sign(encode(order()))
        head = f"Host: v\r\nConnection: close\r\nX-MBX-APIKEY: {KEY}\r\nContent-Length: 0\r\n\r\n"
        good = f"POST {PATH}?{query} HTTP/1.1\r\n{head}".encode()
        raw = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(raw))
            match chance.randrange(4):
                case 0:
                    del raw[at]
                case 1:
                    raw.insert(at, chance.randrange(256))
                case 2:
                    raw[at] = chance.randrange(256)
                case _:
                    del raw[at:]
                    break
            if not raw:
                break
        answer = venue.send(bytes(raw), patience=0.1)
        assert answer.status < 500, (bytes(raw), answer)
        after = venue.truth()
        check_unchanged(before, after, answer, repr(bytes(raw)))
        before = after
    check_alive(venue)


@pytest.mark.anyio
async def test_frames_gone_wrong(venue: Venue) -> None:
    """Over the WebSocket API: each frame is answered with an error in JSON, or the connection is closed."""
    chance = random.Random(5)
    before = venue.truth()
    frames = ["", "{", "null", "[]", "7", '"x"', "{}", '{"method":7}', '{"id":{},"method":"ping"}']
    frames += ['{"id":1,"method":"order.place","params":7}', '{"id":1,"method":"order.place","params":{"symbol":[]}}']
    async with aiohttp.ClientSession() as session:
        for _ in range(MANY // 4):
            parameters = random_parameters(chance) | {"apiKey": KEY, "signature": "0" * 64}
            call = {"id": chance.randint(1, 9), "method": chance.choice(["order.place", "order.cancel", "klines", "x"])}
            sent = chance.choice([*frames, json.dumps(call | {"params": parameters})])
            async with session.ws_connect(venue.line["ws_api"]) as socket:
                await socket.send_str(sent)
                message = await socket.receive(timeout=10)
            if message.type is aiohttp.WSMsgType.TEXT:
                assert 200 <= json.loads(message.data)["status"] < 500, (sent, message.data)
            else:
                assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}, (sent, message)
    assert venue.truth() == before
    check_alive(venue)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def check_alive(venue: Venue) -> None:
    """Nothing broke and nothing is lost: it still takes orders, and its books still add up."""
    assert "Traceback" not in venue.said(), venue.said()[-2000:]
    assert signed(venue, newClientOrderId=f"alive{now()}").status in {200, 400}
    truth = venue.truth()
    rests = [one for one in truth["orders"] if one["status"] in {"NEW", "PARTIALLY_FILLED"} and one["side"] == "BUY"]
    locked = sum(Decimal(one["price"]) * (Decimal(one["origQty"]) - Decimal(one["executedQty"])) for one in rests)
    assert Decimal(truth["balances"][KEY]["USD"]["locked"]) == locked
