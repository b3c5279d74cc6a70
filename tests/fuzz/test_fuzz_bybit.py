"""The second protocol under random requests: always its own envelope, never a breakdown, and its books add up."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from fuzz.test_fuzz import MANY, VALUES
from fuzz.wire import KEY, SECRET, Answer, Venue, encode, now, running_venue

pytestmark = pytest.mark.wire
PUBLIC = ["time", "instruments-info", "kline", "tickers", "orderbook", "recent-trade"]
READ = ["order/realtime", "order/history", "execution/list", "account/wallet-balance", "account/info", "user/query-api"]
WRITE = ["order/create", "order/amend", "order/cancel", "order/cancel-all"]
NAMES = ["category", "symbol", "side", "orderType", "qty", "price", "timeInForce", "orderLinkId", "orderId", "limit"]
NAMES += [
    "cursor",
    "startTime",
    "endTime",
    "openOnly",
    "interval",
    "start",
    "end",
    "marketUnit",
    "triggerPrice",
    "coin",
]
ODD = [
    *VALUES,
    "Buy",
    "Sell",
    "Limit",
    "Market",
    "PostOnly",
    "IOC",
    "spot",
    "linear",
    "D",
    "60",
    "UNIFIED",
    "quoteCoin",
]
TYPED: list[Any] = [0, -1, 1.5, 10**30, True, None, [], {}, ["spot"], {"a": 1}]
GOOD = {"category": "spot", "symbol": "AAPLUSD", "side": "Buy", "orderType": "Limit", "qty": "1", "price": "400"}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with running_venue(tmp_path_factory.mktemp("bybit"), "--protocol", "bybit") as made:
        yield made


def ask(venue: Venue, chance: random.Random, method: str, path: str, sent: dict[str, Any]) -> Answer:
    payload = encode({name: str(value) for name, value in sent.items()}) if method == "GET" else json.dumps(sent)
    if chance.random() < 0.05:
        payload = payload[: len(payload) // 2]
    stamp, window = str(now()), chance.choice(["5000"] * 9 + ["", "x", "9" * 30])
    mark = hmac.new(SECRET.encode(), f"{stamp}{KEY}{window}{payload}".encode(), hashlib.sha256).hexdigest()
    target = f"/v5/{path}" + (f"?{payload}" if method == "GET" and payload else "")
    body = payload if method != "GET" else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: v\r\nConnection: close\r\nX-BAPI-API-KEY: {KEY}\r\n"
    head += f"X-BAPI-TIMESTAMP: {stamp}\r\nX-BAPI-RECV-WINDOW: {window}\r\nX-BAPI-SIGN: {mark}\r\n"
    raw = f"{head}Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode()
    return venue.send(raw)


def test_random_requests_get_an_envelope_and_change_nothing_unless_they_are_taken(venue: Venue) -> None:
    chance = random.Random(6)
    before = venue.truth()
    taken = 0
    for _ in range(MANY):
        method = chance.choice(["GET", "POST", "POST", "PUT"])
        path = chance.choice([f"market/{chance.choice(PUBLIC)}", chance.choice(READ), *[chance.choice(WRITE)] * 3])
        sent: dict[str, Any] = dict(GOOD) if chance.random() < 0.7 else {}
        for _ in range(chance.randint(0, 3)):
            sent[chance.choice(NAMES)] = chance.choice(ODD if method == "GET" else [*ODD, *TYPED])
        answer = ask(venue, chance, method, path, sent)
        what = f"{method} {path} {sent} -> {answer}"
        assert answer.status in {200, 404}, what
        code = json.loads(answer.text)["retCode"]
        after = venue.truth()
        if code != 0:
            assert after == before, what
        taken += code == 0
        before = after
    assert 0 < taken < MANY  # it draws both kinds
    assert "Traceback" not in venue.said(), venue.said()[-2000:]
    rests = [one for one in before["orders"] if one["status"] in {"NEW", "PARTIALLY_FILLED"}]
    locked = sum(Decimal(one["price"]) * (Decimal(one["origQty"]) - Decimal(one["executedQty"])) for one in rests)
    sells = [one for one in rests if one["side"] == "SELL"]
    locked -= sum(Decimal(one["price"]) * (Decimal(one["origQty"]) - Decimal(one["executedQty"])) for one in sells)
    assert Decimal(before["balances"][KEY]["USD"]["locked"]) == locked
