"""The venue as a server: in this process on a thread of its own, or alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import threading
from typing import Any

from aiohttp import web

from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.venue.admin import Admin
from tidemill.venue.rest import Rest
from tidemill.venue.state import VenueOptions, VenueState

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
TICK_SECONDS = 1.0


class VenueServer:
    """Starts and stops the venue on a thread with its own loop."""

    def __init__(self, options: VenueOptions) -> None:
        if options.host not in LOOPBACK and not options.allow_remote:
            raise DataError(f"the venue listens on loopback only, not on {options.host}, unless told to")
        self.options = options
        self.token = secrets.token_hex(16)
        self.state: VenueState
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._runners: list[web.AppRunner] = []
        self._ports = (0, 0)

    @property
    def rest_url(self) -> str:
        """Base URL of the REST API."""
        return f"http://{self.options.host}:{self._ports[0]}"

    @property
    def admin_url(self) -> str:
        """Base URL of the admin API."""
        return f"http://{self.options.host}:{self._ports[1]}"

    def start(self) -> None:
        """Open the state and listen; ConfigurationError when a port is taken."""
        self.state = VenueState(self.options)
        self._thread = threading.Thread(target=self._loop.run_forever, name="paper venue", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        except OSError as error:
            self.stop()
            raise ConfigurationError(f"the venue cannot listen on port {self.options.port}: {error}") from error

    def stop(self) -> None:
        """Stop listening and close the journal."""
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._thread = None
        self.state.journal.close()

    def first_line(self) -> dict[str, Any]:
        """What a caller needs to use the venue."""
        address = self.rest_url.removeprefix("http://")
        line: dict[str, Any] = {
            "rest": self.rest_url,
            "ws": f"ws://{address}/ws",
            "ws_api": f"ws://{address}/ws-api/v3",
            "admin": self.admin_url,
            "token": self.token,
            "pid": os.getpid(),
        }
        if self.state.offset:
            line["offset_seconds"] = int(self.state.offset.total_seconds())
        return line

    async def _listen(self) -> None:
        rest = await self._site(Rest(self.state).application(), self.options.port)
        admin = await self._site(Admin(self.state, self.token).application(), 0)
        self._ports = (rest, admin)
        if self.options.clock == "real":
            self._ticker = asyncio.create_task(self._tick())

    async def _site(self, application: web.Application, port: int) -> int:
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self.options.host, port).start()
        return int(runner.addresses[0][1])

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.state.tick()

    async def _shut(self) -> None:
        ticker: asyncio.Task[None] | None = getattr(self, "_ticker", None)
        if ticker is not None:
            ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticker
        for runner in self._runners:
            await runner.cleanup()


def serve(options: VenueOptions) -> int:
    """Serve until SIGINT or SIGTERM; the first line on stdout is JSON. Exit code 0."""
    server = VenueServer(options)
    server.start()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: done.set())
    sys.stdout.write(json.dumps(server.first_line()) + "\n")
    sys.stdout.flush()
    done.wait()
    server.stop()
    return 0
