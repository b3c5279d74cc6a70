"""A paper venue in this process, and raw signed requests to it: what no client tidies up."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlencode

import requests

from tidemill.matching import FillRules
from tidemill.recording import Recording, bundled_recording
from tidemill.venue import UNLIMITED, Limits, VenueOptions, VenueServer

KEY, SECRET = "k1", "s1"
WAIT = 10
RULES = FillRules(
    slippage=Decimal("0.0005"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)
RESTING = {"symbol": "AAPLUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "400"}


@cache
def recording() -> Recording:
    return bundled_recording()


@contextmanager
def running(limits: Limits = UNLIMITED, **changes: Any) -> Iterator[VenueServer]:
    """A venue of bundled prices within a session, with an account of 100,000 USD."""
    made = VenueServer(VenueOptions(recording=recording(), rules=RULES, limits=limits, **changes))
    made.start()
    try:
        admin(made, "POST", "accounts", {"key": KEY, "secret": SECRET, "balances": {"USD": "100000"}})
        admin(made, "POST", "clock", {"now": "2013-02-13T00:00:45Z"})
        yield made
    finally:
        made.stop()


def admin(venue: VenueServer, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    head = {"X-Admin-Token": venue.token}
    answer = requests.request(method, f"{venue.admin_url}/{path}", json=body, headers=head, timeout=WAIT)
    assert answer.ok, answer.text
    return answer.json()


def fault(venue: VenueServer, name: str, on: str = "order", **changes: Any) -> None:
    admin(venue, "POST", "faults", {"fault": name, "on": on} | changes)


def signed_query(sent: dict[str, str]) -> str:
    query = urlencode(sent | ({} if "timestamp" in sent else {"timestamp": str(int(time.time() * 1000))}))
    return f"{query}&signature={hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()}"


def ask(
    venue: VenueServer, method: str, path: str, sent: dict[str, str] | None = None, timeout: float = WAIT
) -> requests.Response:
    """One signed request."""
    url = f"{venue.rest_url}/api/v3/{path}?{signed_query(sent or {})}"
    return requests.request(method, url, headers={"X-MBX-APIKEY": KEY}, timeout=timeout)


def public(venue: VenueServer, path: str, **sent: str) -> requests.Response:
    """One request without key."""
    return requests.get(f"{venue.rest_url}/api/v3/{path}", params=sent, timeout=WAIT)


def place(venue: VenueServer, name: str, **changes: str) -> requests.Response:
    """An order; far off the market it rests."""
    return ask(venue, "POST", "order", RESTING | {"newClientOrderId": name} | changes)


def truly_placed(venue: VenueServer, name: str) -> bool:
    return name in {one["clientOrderId"] for one in admin(venue, "GET", "truth")["orders"]}
