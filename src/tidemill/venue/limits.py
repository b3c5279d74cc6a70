"""How much one sender may ask: request weight, new orders, and the ban of who does not stop.

By the pages "LIMITS" and "Spot Unfilled Order Count Rules" of the exchange: weight by address and minute of the clock,
new orders by account. A ban lasts the least that the exchange announces, two minutes.
"""

from __future__ import annotations

from collections import deque

from tidemill.venue.errors import VenueError
from tidemill.venue.options import DAY_SECONDS, Limits

MINUTE, ORDER_SECONDS = 60.0, 10.0
REFUSED_BEFORE_BAN = 50
BAN_SECONDS = 120
BAN_ADVICE = "Please use WebSocket Streams for live updates to avoid bans."
WEIGHT_ADVICE = "Please use WebSocket Streams for live updates to avoid polling the API."


class Usage:
    """Weight in this minute and new orders in the last ten seconds and day, by seconds since 1970.

    Everyone on loopback has one address, so all senders share the weight; orders count by key.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._minute = -1
        self.weight = 0
        self._refused = 0
        self._banned_until = 0.0
        self._orders: dict[tuple[str, float], deque[float]] = {}
        self._spans = {
            ORDER_SECONDS: ("10 SECOND", limits.orders_per_10_seconds),
            DAY_SECONDS: ("1 DAY", limits.orders_per_day),
        }

    def weigh(self, weight: int, now: float) -> int:
        """Count one request and give the weight used in this minute; 429 beyond the limit, 418 for who goes on.

        ``now`` in seconds since 1970, for the minute is that of the clock. A refused request has been weighed too. A
        ban begins with the fifty-first refusal of a minute; both refusals are -1003 with ``Retry-After`` in seconds.
        """
        if now < self._banned_until:
            text = f"Way too much request weight used; IP banned until {int(self._banned_until * 1000)}."
            raise _too_much(418, f"{text} {BAN_ADVICE}", self._banned_until - now)
        # A minute of the clock, not a rolling one: the exchange forgets all weight at once.
        if int(now // MINUTE) != self._minute:
            self._minute, self.weight, self._refused = int(now // MINUTE), 0, 0
        self.weight += weight
        if self.weight > self._limits.weight_per_minute:
            self._refused += 1
            if self._refused > REFUSED_BEFORE_BAN:
                self._banned_until = now + BAN_SECONDS
            limit = f"current limit is {self._limits.weight_per_minute} request weight per 1 MINUTE"
            raise _too_much(429, f"Too much request weight used; {limit}. {WEIGHT_ADVICE}", MINUTE - now % MINUTE)
        return self.weight

    def count_order(self, key: str, now: float) -> None:
        """Count one new order; -1015 beyond the limits.

        Counted before it is judged, so a refused order counts as well. An order beyond a limit does not.
        """
        # Checked in full before anything is counted: an order refused by the day must not fill the ten seconds.
        for span, (name, limit) in self._spans.items():
            sent = self._orders.setdefault((key, span), deque())
            while sent and now - sent[0] >= span:
                sent.popleft()
            if len(sent) >= limit:
                text = f"Too many new orders; current limit is {limit} orders per {name}."
                raise VenueError(-1015, text, 429, {"Retry-After": str(int(ORDER_SECONDS))})
        for span in self._spans:
            self._orders[key, span].append(now)

    def forgive_order(self, key: str) -> None:
        """An order of the key has traded for the first time: it counts no more.

        The exchange limits orders that do not trade: who trades may go on. Its latest order is taken off.
        """
        for span in self._spans:
            if sent := self._orders.get((key, span)):
                sent.pop()

    def order_rows(self, key: str) -> list[dict[str, object]]:
        """The limits on new orders, each with what the key has used of it.

        One row for ten seconds and one for the day, as ``rateLimit/order`` answers.
        """
        counts = self.order_counts(key).values()
        rows = (row for row in self.rows() if row["rateLimitType"] == "ORDERS")
        return [row | {"count": int(count)} for row, count in zip(rows, counts, strict=True)]

    def used_rows(self) -> list[dict[str, object]]:
        """The limit on weight with what is used of it, as requests over a socket are told.

        A list of one row: sockets report the weight with every answer, as REST does in a header.
        """
        return [self.rows()[0] | {"count": self.weight}]

    def order_counts(self, key: str) -> dict[str, str]:
        """The headers that tell the new orders of a key so far.

        By header name, as text. Counts are as of the last order of the key.
        """
        names = zip(("10S", "1D"), self._spans, strict=True)
        return {f"X-MBX-ORDER-COUNT-{name}": str(len(self._orders.get((key, span), ()))) for name, span in names}

    def rows(self) -> list[dict[str, object]]:
        """The limits as the exchange lists them.

        As in ``rateLimits`` of ``exchangeInfo``: clients that pace themselves read them there.
        """
        limits = self._limits
        return [
            _limit_row("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
            _limit_row("ORDERS", "SECOND", 10, limits.orders_per_10_seconds),
            _limit_row("ORDERS", "DAY", 1, limits.orders_per_day),
        ]


def _limit_row(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _too_much(status: int, message: str, wait_seconds: float) -> VenueError:
    return VenueError(-1003, message, status, {"Retry-After": str(max(1, int(wait_seconds)))})
