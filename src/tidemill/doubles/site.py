"""What the three sites have in common: an outage on demand, a quota, and answers in JSON.

An outage comes before the key, and the key before the quota: a request without a valid key uses up none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from tidemill.doubles.shelf import Shelf

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A refusal of every request, until it is lifted.

    ``status`` is the HTTP status; ``retry_after`` in seconds, None when the site says nothing about it.
    """

    status: int
    retry_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaState:
    """Where a quota stands after a request; ``reset_at`` in seconds since 1970."""

    limit: int
    used: int
    seconds_left: float
    reset_at: int

    @property
    def remaining(self) -> int:
        """Requests left in the window."""
        return max(0, self.limit - self.used)


class Quota:
    """Requests per fixed window of wall time, as the real services count them.

    ``window_seconds`` begin with the first request after the last window has ended, not at a fixed time of the day.
    ``wall_now`` is the wall clock: a replay's market clock would let windows pass within a second.
    """

    def __init__(self, limit: int, window_seconds: float, wall_now: Now) -> None:
        self._limit, self._window, self._wall_now = limit, window_seconds, wall_now
        self._started, self._used = wall_now().timestamp(), 0

    def take(self) -> QuotaState:
        """Count one request.

        Beyond the limit it counts on: ``used`` may exceed ``limit``, and the caller refuses then.
        """
        return self._count(1)

    def peek(self) -> QuotaState:
        """Where the window stands, without counting.

        A window that has ended is begun anew all the same.
        """
        return self._count(0)

    def _count(self, requests: int) -> QuotaState:
        now = self._wall_now().timestamp()
        if now >= self._started + self._window:
            self._started, self._used = now, 0
        self._used += requests
        seconds = self._started + self._window - now
        return QuotaState(limit=self._limit, used=self._used, seconds_left=seconds, reset_at=int(now + seconds) + 1)


class Site(ABC):
    """One service; the subclasses know its addresses, its keys and the shape of its answers.

    ``shelf`` holds the posts, ``market_now`` the clock up to which they exist, ``quota`` the requests that are left.
    ``outage`` is None while the site is up, and may be set from another thread.
    """

    def __init__(self, shelf: Shelf, market_now: Now, quota: Quota) -> None:
        self.shelf, self.market_now, self.quota = shelf, market_now, quota
        self.outage: Outage | None = None

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """Addresses and what answers them."""

    @abstractmethod
    def refuse(self, status: int, seconds: float | None) -> web.Response:
        """The service's own way to say that it is down or out of quota.

        ``status`` is 429 when the quota is used up, any other one for an outage; ``seconds`` until a retry makes sense,
        None when the site would not say.
        """

    @abstractmethod
    def is_authorized(self, request: web.Request) -> web.Response | None:
        """None when the key is right, else the refusal.

        The refusal has the site's own status and body, since adapters tell a bad key by them.
        """

    @abstractmethod
    def quota_headers(self, state: QuotaState) -> dict[str, str]:
        """How the service tells what is left.

        By header name, for every answer that was counted; empty where a service tells nothing.
        """

    def guarded(self, answer: Callable[[web.Request], web.Response]) -> Callable[[web.Request], Any]:
        """``answer`` behind outage, key and quota.

        A request that the quota refuses has been counted as well. ``answer`` must not block: it runs on the server's
        loop.
        """

        async def reply(request: web.Request) -> web.Response:
            if self.outage:
                return self.refuse(self.outage.status, self.outage.retry_after)
            if refused := self.is_authorized(request):
                return refused
            state = self.quota.take()
            if state.used > state.limit:
                return self.refuse(429, state.seconds_left)
            response = answer(request)
            response.headers.update(self.quota_headers(state))
            return response

        return reply


def unavailable_page(status: int, seconds: float | None) -> web.Response:
    """What a proxy in front of a service that is down says: a page, not JSON.

    Adapters must not take it for data: JSON is expected, and HTML comes.
    """
    body = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
    headers = {} if seconds is None else {"Retry-After": f"{seconds:.0f}"}
    return web.Response(status=status, text=body, content_type="text/html", headers=headers)


def json_answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.json_response(body, status=status, headers=headers)
