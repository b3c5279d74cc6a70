"""What a fault does to one request.

``BEFORE`` are the faults under which nothing is done, ``AFTER`` those that spoil the answer of a request that was done;
``late`` and ``zombie`` do it later. Telling these apart is what a client under test has to get right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from tidemill.venue.errors import VenueError
from tidemill.venue.faults import Fault

Proceed = Callable[[], Awaitable[web.StreamResponse]]
Before = Callable[[web.Request, Fault], Awaitable[web.StreamResponse]]
After = Callable[[web.Request, Fault, web.StreamResponse], Awaitable[web.StreamResponse]]
RenderError = Callable[[VenueError], web.Response]
"""How a protocol tells an error."""
RETRY = {"Retry-After": "1"}
UNFINISHED: set[asyncio.Task[web.StreamResponse]] = set()
"""Requests whose sender is gone and that will be done later: kept here, or they would be forgotten."""


async def apply_fault(
    fault: Fault, request: web.Request, proceed: Proceed, render_error: RenderError = VenueError.answer
) -> web.StreamResponse:
    """Do to one request what the fault says; ``proceed`` does the request, ``render_error`` tells an error.

    ``proceed`` is called once, never, or (zombie) after the sender is gone. The answer may be an error, a broken body,
    or nothing, with the connection cut. ``render_error`` puts an error of the exchange in the protocol's shape.
    """
    if fault.name in BEFORE:
        before = BEFORE[fault.name]
        return render_error(before) if isinstance(before, VenueError) else await before(request, fault)
    if fault.name == "late":
        await asyncio.sleep(fault.seconds)
        return await proceed()
    if fault.name == "zombie":
        return await _zombie(request, fault, proceed)
    after, answer = AFTER[fault.name], await proceed()
    return render_error(after) if isinstance(after, VenueError) else await after(request, fault, answer)


async def _zombie(request: web.Request, fault: Fault, proceed: Proceed) -> web.StreamResponse:
    async def later() -> web.StreamResponse:
        await asyncio.sleep(fault.seconds)
        return await proceed()

    # The body must be here before the line is cut, or there would be nothing to do later.
    await request.read()
    # Not awaited: the line is cut now, and the request is done when its sender has long given up.
    task = asyncio.create_task(later())
    UNFINISHED.add(task)
    task.add_done_callback(UNFINISHED.discard)
    return await _cut(request, fault)


async def _cut(request: web.Request, _fault: Fault, _answer: web.StreamResponse | None = None) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _silence(request: web.Request, fault: Fault, _answer: web.StreamResponse | None = None) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds)
    return await _cut(request, fault)


def _page(status: int, title: str) -> Callable[..., Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request, _fault: Fault, _answer: web.StreamResponse | None = None) -> web.Response:
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return web.Response(text=page, content_type="text/html", status=status)

    return answer


async def _truncated_body(request: web.Request, fault: Fault, answer: web.StreamResponse) -> web.StreamResponse:
    """Announce the whole length, send half of it, cut the line."""
    body = _bytes(answer)
    cut = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await cut.prepare(request)
    # Half a body under its full length: a client that trusts the header waits or fails, but must not parse.
    await cut.write(body[: len(body) // 2])
    return await _cut(request, fault)


async def _truncated_json(_request: web.Request, _fault: Fault, answer: web.StreamResponse) -> web.StreamResponse:
    body = _bytes(answer)
    return web.Response(body=body[: len(body) // 2], content_type="application/json")


async def _empty(_request: web.Request, _fault: Fault, _answer: web.StreamResponse) -> web.StreamResponse:
    return web.Response(body=b"", content_type="application/json")


def _bytes(answer: web.StreamResponse) -> bytes:
    return answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b"{}"


# Texts of the page "Error Codes": in both cases the exchange itself cannot say whether the order exists.
_1006 = VenueError(-1006, "An unexpected response was received from the message bus. Execution status unknown.", 500)
_1007 = VenueError(
    -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.", 503
)
_502 = _page(502, "502 Bad Gateway")
BEFORE: dict[str, Before | VenueError] = {
    "drop_before": _cut,
    "no_answer_before": _silence,
    "html_502_before": _502,
    "forbidden_403": _page(403, "403 Forbidden"),
    "error_1006_before": _1006,
    "error_1007_before": _1007,
    "error_1008": VenueError(
        -1008, "Server is currently overloaded with other requests. Please try again in a few minutes.", 503
    ),
    "error_1021": VenueError(-1021, "Timestamp for this request is outside of the recvWindow.", 400),
    "too_many_429": VenueError(-1003, "Too many requests queued.", 429, RETRY),
    "too_many_orders": VenueError(-1015, "Too many new orders.", 429, RETRY),
    "banned_418": VenueError(-1003, "Way too much request weight used; IP banned.", 418, RETRY),
    "maintenance": VenueError(-1000, "System is under maintenance.", 503),
}
AFTER: dict[str, After | VenueError] = {
    "drop_after": _cut,
    "no_answer_after": _silence,
    "html_502": _502,
    "html_200": _page(200, "200 OK"),
    "truncated_body": _truncated_body,
    "truncated_json": _truncated_json,
    "empty_body": _empty,
    "error_1006_after": _1006,
    "error_1007_after": _1007,
}
