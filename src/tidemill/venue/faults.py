"""Faults on demand: what networks and exchanges do to a request, by name."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from tidemill.domain.errors import DataError
from tidemill.venue.errors import VenueError

Handler = Callable[[], Awaitable[web.StreamResponse]]
KINDS = ("order", "cancel", "query", "account", "market", "all")
LATE_SECONDS = 1.0
SILENT_SECONDS = 30.0

# name -> (is the request processed?, what the client sees)
FAULTS = {
    "drop_before": "the connection is cut and nothing was done",
    "drop_after": "the connection is cut after the request was done",
    "no_answer_before": "silence, and nothing was done",
    "no_answer_after": "silence after the request was done",
    "late": "done a second later, inside its window, with a late answer",
    "html_502": "a gateway's HTML page with status 502 after the request was done",
    "html_200": "an HTML page with status 200 after the request was done",
    "truncated_json": "half of the answer after the request was done",
    "empty_body": "an empty answer after the request was done",
    "error_1006_before": "-1006 unexpected response, and nothing was done",
    "error_1006_after": "-1006 unexpected response after the request was done",
    "error_1007_before": "-1007 timeout, and nothing was done",
    "error_1007_after": "-1007 timeout after the request was done",
    "too_many_429": "429 with Retry-After, and nothing was done",
    "banned_418": "418 with Retry-After, and nothing was done",
    "maintenance": "503, and nothing was done",
    "query_lag": "an order query finds nothing for some seconds",
}
LAG_SECONDS = 2.0


@dataclass(slots=True)
class _Fault:
    name: str
    on: str
    left: int


class Faults:
    """Faults in force. ``count`` is how many requests each still strikes; a seed makes it strike by chance."""

    def __init__(self) -> None:
        self._active: list[_Fault] = []
        self._random = random.Random(0)  # noqa: S311 -- chance of a simulation, not a secret
        self._chance = 1.0
        self.lag_until = 0.0

    def add(self, name: str, on: str, count: int, seed: int | None) -> None:
        """Put a fault in force; DataError names the faults and kinds there are."""
        if name not in FAULTS:
            raise DataError(f"fault '{name}' is unknown; use one of {', '.join(FAULTS)}")
        if on not in KINDS:
            raise DataError(f"'on' must be one of {', '.join(KINDS)}")
        if seed is not None:
            self._random.seed(seed)
            self._chance = 0.5
        self._active.append(_Fault(name, on, count))

    def clear(self) -> None:
        """Lift all faults."""
        self._active.clear()
        self._chance = 1.0
        self.lag_until = 0.0

    def take(self, kind: str) -> str | None:
        """The fault that strikes a request of this kind now, counted off."""
        for fault in self._active:
            wanted = fault.on in {kind, "all"}
            if wanted and fault.left > 0 and self._random.random() < self._chance:
                fault.left -= 1
                if fault.name == "query_lag":
                    self.lag_until = time.monotonic() + LAG_SECONDS
                    return None
                return fault.name
        return None

    def lagging(self) -> bool:
        """Whether order queries find nothing now."""
        return time.monotonic() < self.lag_until


async def strike(name: str, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do to one request what the fault says."""
    if name in BEFORE:
        return await BEFORE[name](request)
    if name == "late":
        await asyncio.sleep(LATE_SECONDS)
        return await handler()
    answer = await handler()
    return await AFTER[name](request, answer)


async def _cut(request: web.Request, _answer: web.StreamResponse | None = None) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _silence(request: web.Request, _answer: web.StreamResponse | None = None) -> web.StreamResponse:
    await asyncio.sleep(SILENT_SECONDS)
    return await _cut(request)


async def _html(_request: web.Request, _answer: web.StreamResponse, status: int = 502) -> web.StreamResponse:
    page = "<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"
    return web.Response(text=page, content_type="text/html", status=status)


async def _html_ok(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    return await _html(request, answer, 200)


async def _truncated(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    """Announce the whole length, send half of it, cut the line."""
    body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b"{}"
    cut = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    return await _cut(request)


async def _empty(_request: web.Request, _answer: web.StreamResponse) -> web.StreamResponse:
    return web.Response(body=b"", content_type="application/json")


def _error(code: int, message: str, status: int, **headers: str) -> Callable[..., Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request, _answer: web.StreamResponse | None = None) -> web.StreamResponse:
        return VenueError(code, message, status, headers).answer()

    return answer


_1006 = _error(-1006, "An unexpected response was received from the message bus. Execution status unknown.", 500)
_1007 = _error(-1007, "Timeout waiting for response from backend server. Send status unknown.", 503)
RETRY = {"Retry-After": "1"}
BEFORE: dict[str, Callable[..., Awaitable[web.StreamResponse]]] = {
    "drop_before": _cut,
    "no_answer_before": _silence,
    "error_1006_before": _1006,
    "error_1007_before": _1007,
    "too_many_429": _error(-1003, "Too many requests.", 429, **RETRY),
    "banned_418": _error(-1003, "Way too many requests; IP banned.", 418, **RETRY),
    "maintenance": _error(-1000, "System is under maintenance.", 503),
}
AFTER: dict[str, Callable[..., Awaitable[web.StreamResponse]]] = {
    "drop_after": _cut,
    "no_answer_after": _silence,
    "html_502": _html,
    "html_200": _html_ok,
    "truncated_json": _truncated,
    "empty_body": _empty,
    "error_1006_after": _1006,
    "error_1007_after": _1007,
}
