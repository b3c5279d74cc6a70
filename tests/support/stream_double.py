"""A WebSocket server on loopback that says, to each message of a client, what it was told to say."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

Script = Callable[[dict[str, Any]], Sequence[str]]


@dataclass
class StreamDouble:
    """``script``: what is said to a message; ``heard``: the paths that were joined, and the messages that came."""

    script: Script
    url: str = ""
    heard: list[tuple[str, str]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        async for message in line:
            if message.type is not WSMsgType.TEXT:
                continue
            self.heard.append((request.path, message.data))
            if not message.data.startswith("{"):
                await line.send_str("pong")
                continue
            for text in self.script(json.loads(message.data)):
                await line.send_str(text)
        return line


@contextmanager
def saying(script: Script) -> Iterator[StreamDouble]:
    double = StreamDouble(script)
    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_get("/{path:.*}", double.serve)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    double.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
