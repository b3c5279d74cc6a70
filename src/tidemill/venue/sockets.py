"""One WebSocket connection: a queue of what is sent to it, pings, a limit on what it sends, an end after a day.

Intervals and limits are those of "WebSocket Streams", see :class:`~tidemill.venue.options.Limits`. Sending is a queue,
so one slow reader cannot hold up what others are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import WSCloseCode, WSMsgType, web

from tidemill.venue.options import Limits

MAX_WAITING = 20_000
LONGEST_MESSAGE = 64 * 1024
OnText = Callable[[str], Awaitable[None]]


class Socket:
    """A connection that others send to; :meth:`serve` runs until it ends.

    ``request`` is the upgrade; the constructor must run on the loop that serves it.
    """

    def __init__(self, request: web.Request, limits: Limits) -> None:
        self._request = request
        self._limits = limits
        # With autoping pongs would be swallowed, and their absence must end the connection.
        self._ws = web.WebSocketResponse(autoping=False, max_msg_size=LONGEST_MESSAGE, compress=False)
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue(MAX_WAITING)
        self._loop = asyncio.get_running_loop()
        self._last_pong = self._loop.time()
        self._heard: deque[float] = deque()

    def send(self, message: object) -> None:
        """Send JSON soon; a reader that is too slow is cut off.

        Never waits. Messages leave in the order of sending.
        """
        try:
            self._waiting.put_nowait(json.dumps(message, separators=(",", ":")))
        except asyncio.QueueFull:
            self.cut()

    def cut(self) -> None:
        """Cut the line without a word.

        No closing handshake, as when a network fails: clients must notice by themselves.
        """
        if self._request.transport is not None:
            self._request.transport.abort()

    def cut_when_sent(self) -> None:
        """Cut the line after what waits has been sent.

        For faults that end a stream in the middle: what was told before must arrive.
        """
        self._waiting.put_nowait(None)

    async def serve(self, on_text: OnText) -> web.WebSocketResponse:
        """Talk until either side ends it.

        ``on_text`` gets each text message and is waited for before the next is read. More messages a second than
        allowed end the connection with 1008, its greatest age with 1001.
        """
        await self._ws.prepare(self._request)
        tasks = [asyncio.create_task(part) for part in (self._write(), self._ping(), self._end())]
        try:
            await self._read(on_text)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._ws

    async def _read(self, on_text: OnText) -> None:
        async for message in self._ws:
            if self._is_too_loud():
                await self._ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
                return
            if message.type is WSMsgType.PING:
                await self._ws.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._last_pong = self._loop.time()
            elif message.type is WSMsgType.TEXT:
                await on_text(message.data)
            else:
                return

    def _is_too_loud(self) -> bool:
        now = self._loop.time()
        self._heard.append(now)
        # A rolling second, pings and pongs included, as the exchange counts.
        while now - self._heard[0] > 1:
            self._heard.popleft()
        return len(self._heard) > self._limits.messages_per_second

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (text := await self._waiting.get()) is not None:
                await self._ws.send_str(text)
            self.cut()

    async def _ping(self) -> None:
        """Ping, and end a connection that has not answered for long."""
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(self._limits.ping_seconds)
                if self._loop.time() - self._last_pong > self._limits.pong_seconds:
                    self.cut()
                    return
                await self._ws.ping(str(int(self._loop.time() * 1000)).encode())

    async def _end(self) -> None:
        await asyncio.sleep(self._limits.connection_seconds)
        await self._ws.close(code=WSCloseCode.GOING_AWAY)
