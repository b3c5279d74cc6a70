"""Parameters of a request, and the proof that its sender holds the key.

By the pages "Request Security" and "General API Information": what is signed is the text as it was sent, so nothing is
decoded and encoded again on the way to the signature.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import parse_qsl

from tidemill.domain.market import EPOCH
from tidemill.venue import errors

DEFAULT_WINDOW_MS, LONGEST_WINDOW_MS = 5000, 60_000
AHEAD_MS = 1000
MICROSECONDS_FROM = 10**15
"""Times may come in microseconds: milliseconds do not reach this before the year 33658."""
CLIENT_ID, CLIENT_ID_TEXT = re.compile(r"[a-zA-Z0-9_-]{1,36}"), "^[a-zA-Z0-9-_]{1,36}$"
SYMBOL, SYMBOL_TEXT = re.compile(r"[A-Z0-9_.-]{1,20}"), "^[A-Z0-9-_.]{1,20}$"
INTEGER, INTEGER_TEXT = re.compile(r"\d{1,18}", re.ASCII), "^[0-9]{1,20}$"
DECIMAL, DECIMAL_TEXT = re.compile(r"\d{1,20}(\.\d{1,20})?", re.ASCII), r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
MAX_DECIMALS = 8


def to_millis(moment: datetime) -> int:
    """Milliseconds since 1970, as the wire has times.

    ``moment`` must be aware; microseconds below a millisecond are cut off, not rounded.
    """
    return int((moment - EPOCH).total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Query and body of one request, merged; the query wins.

    ``values`` by name, decoded; ``signed_text`` is what the signature covers, without the signature itself.
    """

    values: Mapping[str, str]
    signed_text: str

    @classmethod
    def parse(cls, query: str, body: str) -> Parameters:
        """Read raw query and raw form body; the signature covers both, one after the other.

        A parameter sent twice is refused: which of two would be meant is anybody's guess.
        """
        pairs = [pair for raw in (query, body) if raw for pair in parse_qsl(raw, keep_blank_values=True)]
        # Reversed, so that the query, which comes first, has the last word.
        values = dict(reversed(pairs))
        if len(values) < len(pairs) and _differ(query, body):
            raise errors.VenueError(-1101, "Duplicate values for a parameter detected.")
        return cls(values, _unsigned(query) + _unsigned(body))

    def text(self, name: str) -> str | None:
        """A parameter, or None when it was not sent.

        -1105 when it was sent empty: left out and empty are two things here.
        """
        value = self.values.get(name)
        if value == "":
            raise errors.empty(name)
        return value

    def need(self, name: str) -> str:
        """A mandatory parameter.

        -1102 when it was not sent or is empty.
        """
        value = self.values.get(name)
        if not value:
            raise errors.missing(name)
        return value

    def symbol(self) -> str:
        """The mandatory symbol, in capitals.

        -1100 for small letters and signs, before anybody looks whether there is such a symbol.
        """
        value = self.need("symbol")
        if not SYMBOL.fullmatch(value):
            raise errors.illegal("symbol", SYMBOL_TEXT)
        return value

    def integer(self, name: str) -> int | None:
        """A whole number >= 0, or None.

        -1100 for signs, fractions and more than 18 digits.
        """
        value = self.text(name)
        if value is None:
            return None
        if not INTEGER.fullmatch(value):
            raise errors.illegal(name, INTEGER_TEXT)
        return int(value)

    def moment(self, name: str) -> int | None:
        """A time in ms, sent in ms or in microseconds, or None."""
        value = self.integer(name)
        # No header says which unit a client uses; the size of the number does.
        return value // 1000 if value is not None and value >= MICROSECONDS_FROM else value

    def decimal(self, name: str) -> Decimal | None:
        """A plain decimal number, or None.

        -1100 for an exponent, a sign or a bare point, -1111 for more than eight decimals. Zero passes: a filter refuses
        it later, with its own code.
        """
        value = self.text(name)
        if value is None:
            return None
        if not DECIMAL.fullmatch(value):
            raise errors.illegal(name, DECIMAL_TEXT)
        if len(value.partition(".")[2].rstrip("0")) > MAX_DECIMALS:
            raise errors.too_precise(name)
        return Decimal(value)

    def client_id(self, name: str) -> str | None:
        """A client order id, or None.

        -1100 when it is longer than 36 characters or has others than letters, digits, ``-`` and ``_``.
        """
        value = self.text(name)
        if value is not None and not CLIENT_ID.fullmatch(value):
            raise errors.illegal(name, CLIENT_ID_TEXT)
        return value

    def check_window(self, wall: datetime) -> None:
        """Refuse a request outside its window: called on arrival, and again just before matching.

        -1021 when ``timestamp`` is older than ``recvWindow``, or more than a second ahead of ``wall``. The exchange
        checks a second time just before the matching engine ("Timing security"), so an order that waited too long is
        not placed.
        """
        self.need("timestamp")
        sent, window = self.moment("timestamp") or 0, self._window_ms()
        now = to_millis(wall)
        if now - sent > window:
            raise errors.TOO_LATE
        if sent - now > AHEAD_MS:
            raise errors.TOO_EARLY

    def _window_ms(self) -> float:
        """recvWindow, with up to three decimals; 5,000 unless sent."""
        value = self.text("recvWindow")
        if value is None:
            return DEFAULT_WINDOW_MS
        if not re.fullmatch(r"\d{1,18}(\.\d{1,3})?", value, flags=re.ASCII):
            raise errors.illegal("recvWindow")
        if float(value) > LONGEST_WINDOW_MS:
            raise errors.VenueError(-1131, "recvWindow must be less than 60000")
        return float(value)

    def check_signature(self, secret: str) -> None:
        """Refuse a request that was not signed with the key's secret.

        HMAC-SHA256 in hexadecimal, in any case of its letters; -1022 when it differs, -1102 when it is missing.
        """
        signature = self.need("signature")
        expected = hmac.new(secret.encode(), self.signed_text.encode(), hashlib.sha256).hexdigest()
        # In constant time; "replace", since a signature of other letters must be refused and not fail.
        if not hmac.compare_digest(signature.lower().encode("utf-8", "replace"), expected.encode()):
            raise errors.BAD_SIGNATURE


def _unsigned(raw: str) -> str:
    return "&".join(part for part in raw.split("&") if not part.startswith("signature="))


def _differ(query: str, body: str) -> bool:
    """Whether query or body alone name a parameter twice; one in both is the query's."""
    for raw in (query, body):
        names = [name for name, _ in parse_qsl(raw, keep_blank_values=True)]
        if len(names) > len(set(names)):
            return True
    return False
