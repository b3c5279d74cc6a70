"""One request: its parameters from query or JSON body, and the proof that its sender holds the key.

By "Integration Guidance" of the v5 documentation: key, time, window and signature are headers, and the signature covers
time, key, window and then the raw query or body.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import parse_qsl

from tidemill.venue.bybit import errors
from tidemill.venue.parameters import to_millis

DEFAULT_WINDOW_MS, AHEAD_MS = 5000, 1000
LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
WHOLE = re.compile(r"\d{1,19}", re.ASCII)
NUMBER = re.compile(r"\d{1,20}(\.\d{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """Parameters as text, and what the signature covers of them.

    ``payload`` is the raw text of query or body; a name in ``values`` that was sent empty counts as not sent.
    """

    values: Mapping[str, str]
    payload: str
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, method: str, query: str, body: str, headers: Mapping[str, str]) -> Call:
        """Read a GET's query or a POST's JSON object; BybitError when the body is none.

        Values of a JSON body become text again, as a query has them: numbers and booleans may come either way.
        """
        if method == "GET":
            # Parameters sent empty fall out here: this exchange takes them as not sent.
            return cls(dict(parse_qsl(query)), query, headers)
        try:
            sent = json.loads(body or "{}")
        except ValueError as error:
            raise errors.bad_parameter("the body is no JSON") from error
        if not isinstance(sent, dict):
            raise errors.bad_parameter("the body is no JSON object")
        return cls({str(name): _text(value) for name, value in sent.items() if value is not None}, body, headers)

    def text(self, name: str) -> str | None:
        """A parameter, or None when it was not sent or is empty."""
        return self.values.get(name) or None

    def need(self, name: str) -> str:
        """A mandatory parameter.

        10001 when it was not sent or is empty.
        """
        value = self.text(name)
        if value is None:
            raise errors.bad_parameter(f"{name} is missing")
        return value

    def integer(self, name: str) -> int | None:
        """A whole number >= 0, or None.

        10001 for anything but up to 19 digits. Times in ms and cursors are such numbers.
        """
        value = self.text(name)
        if value is None:
            return None
        if not WHOLE.fullmatch(value):
            raise errors.bad_parameter(f"{name} is invalid")
        return int(value)

    def limit(self, default: int, maximum: int) -> int:
        """Rows of a page.

        ``default`` when none was sent, never more than ``maximum``: too large a page is cut and not refused.
        """
        limit = self.integer("limit")
        return max(1, min(default if limit is None else limit, maximum))

    def decimal(self, name: str) -> Decimal | None:
        """A plain positive decimal, or None.

        170130 for a sign, an exponent or more than 18 decimals; the misspelling in its text is the exchange's.
        """
        value = self.text(name)
        if value is None:
            return None
        if not NUMBER.fullmatch(value):
            raise errors.BybitError(170130, f"Data sent for paramter '{name}' is not valid.")
        return Decimal(value)

    def link_id(self) -> str | None:
        """A client order id, or None.

        At most 36 letters, digits, ``-`` and ``_``; 10001 else.
        """
        value = self.text("orderLinkId")
        if value is not None and not LINK_ID.fullmatch(value):
            raise errors.bad_parameter("OrderLinkId is invalid")
        return value

    def check_category(self) -> None:
        """Only spot is traded here.

        10001 for derivatives and for a request without a category.
        """
        if self.text("category") != "spot":
            raise errors.bad_parameter("Category is invalid")

    def check_sender(self, secrets: Mapping[str, str], wall: datetime) -> str:
        """The key of a signed request, when key, window and signature are right.

        10003 for an unknown key, 10002 outside the window, 10004 for a wrong signature.
        """
        key = self.headers.get("X-BAPI-API-KEY", "")
        secret = secrets.get(key)
        if secret is None:
            raise errors.BAD_KEY
        self.check_window(wall)
        # The window is signed as it was sent: an absent header adds nothing, not its default.
        stamp, window = self.headers["X-BAPI-TIMESTAMP"], self.headers.get("X-BAPI-RECV-WINDOW", "")
        signed = f"{stamp}{key}{window}{self.payload}".encode()
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        signature = self.headers.get("X-BAPI-SIGN", "")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode()):
            raise errors.BAD_SIGNATURE
        return key

    def check_window(self, wall: datetime) -> None:
        """Refuse a request outside its window: on arrival, and again just before matching.

        server time - window <= timestamp < server time + 1000, in ms, with a window of 5,000 unless the header says so.
        """
        stamp = self.headers.get("X-BAPI-TIMESTAMP", "")
        window = self.headers.get("X-BAPI-RECV-WINDOW") or str(DEFAULT_WINDOW_MS)
        if not WHOLE.fullmatch(stamp) or not WHOLE.fullmatch(window):
            raise errors.bad_parameter("X-BAPI-TIMESTAMP or X-BAPI-RECV-WINDOW is invalid")
        now = to_millis(wall)
        if not now - int(window) <= int(stamp) < now + AHEAD_MS:
            times = f"req_timestamp[{stamp}],server_timestamp[{now}],recv_window[{window}]"
            text = f"invalid request, please check your server timestamp or recv_window param. {times}"
            raise errors.BybitError(10002, text)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, list | dict) else str(value)
