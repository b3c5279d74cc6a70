"""The venue as a server: in this process on a thread of its own, or alone.

Public API and admin API have a port each. In a process the venue runs on a thread, so that code that blocks can call
it; alone it is what the command line starts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import ssl
import sys
import threading
from collections.abc import Coroutine
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tidemill.domain.errors import ConfigurationError, DataError, TidemillError
from tidemill.venue.account_api import AccountApi
from tidemill.venue.admin import Admin
from tidemill.venue.bybit import BybitRest
from tidemill.venue.hub import Hub
from tidemill.venue.live_feed import Follower
from tidemill.venue.market_api import MarketApi
from tidemill.venue.market_streams import MarketStreams
from tidemill.venue.options import VenueOptions
from tidemill.venue.rest import LONGEST_BODY, Rest
from tidemill.venue.socket_api import SocketApi
from tidemill.venue.state import VenueState

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
TICK_SECONDS = 1.0
LOGGER = logging.getLogger("tidemill.venue")


class _NotOurFault(logging.Filter):
    """Leaves out what a sender got wrong in HTTP itself: it was told with 400, and is no event of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        cause = record.exc_info[1] if record.exc_info else None
        return not isinstance(cause, HttpProcessingError)


LOGGER.addFilter(_NotOurFault())


class VenueServer:
    """Starts and stops the venue on a thread with its own loop.

    DataError for a host that is not loopback unless that is allowed: the admin API takes secrets unencrypted, whatever
    ``tls`` says. ``token`` opens that API.
    """

    def __init__(self, options: VenueOptions) -> None:
        if options.host not in LOOPBACK and not options.allow_remote:
            raise DataError(
                f"the venue listens on loopback only, not on {options.host}; --beyond-loopback lets other machines in"
            )
        self.options = options
        self.token = secrets.token_hex(16)
        self.state: VenueState
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._runners: list[web.AppRunner] = []
        self._site: web.TCPSite
        self._tasks: set[asyncio.Task[None]] = set()
        self._ports = (0, 0)

    @property
    def rest_url(self) -> str:
        """Base URL of the REST API."""
        return f"{'https' if self.options.tls else 'http'}://{self._host}:{self._ports[0]}"

    @property
    def admin_url(self) -> str:
        """Base URL of the admin API."""
        return f"http://{self._host}:{self._ports[1]}"

    @property
    def _host(self) -> str:
        """The address as a URL has it."""
        return f"[{self.options.host}]" if ":" in self.options.host else self.options.host

    def start(self) -> None:
        """Open the state and listen; ConfigurationError when a port is taken or a certificate is none.

        Ports are certain when this returns, also where 0 asked for free ones. What the journal holds is done again
        first.
        """
        self._tls = _open_certificate(self.options)
        self.state = VenueState(self.options)
        self._thread = threading.Thread(target=self._loop.run_forever, name="paper venue", daemon=True)
        self._thread.start()
        try:
            # Waited for here, so that a port that is taken is the caller's error and not a line in a log.
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        except (OSError, OverflowError) as error:
            self.stop()
            where = f"{self.options.host}, port {self.options.port}"
            raise ConfigurationError(f"the venue cannot listen on {where}: {error}") from error

    def stop(self) -> None:
        """Stop listening and close the journal.

        Requests under way get a second. Nothing happens when it is not running.
        """
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._thread = None
        self.state.close()

    def first_line(self) -> dict[str, Any]:
        """What a caller needs to use the venue.

        Valid after :meth:`start`. The sockets' addresses are None where the protocol has none.
        """
        sockets, has_streams = self.rest_url.replace("http", "ws", 1), self.options.protocol == "binance"
        line: dict[str, Any] = {
            "rest": self.rest_url,
            "ws": f"{sockets}/ws" if has_streams else None,
            "ws_api": f"{sockets}/ws-api/v3" if has_streams else None,
            "admin": self.admin_url,
            "token": self.token,
            "pid": os.getpid(),
        }
        if self.state.offset:
            line["offset_seconds"] = int(self.state.offset.total_seconds())
        return line

    async def _listen(self) -> None:
        market, account = MarketApi(self.state), AccountApi(self.state)
        follower = Follower(self.state)
        hub = Hub(self.state, MarketStreams(self.state, market), follower)
        public = web.Application(client_max_size=LONGEST_BODY)
        if self.options.protocol == "bybit":
            public.router.add_route("*", "/{path:.*}", BybitRest(self.state, market, hub, follower).answer)
        else:
            rest = Rest(self.state, market, account, hub, follower)
            sockets = SocketApi(self.state, market, account, hub, follower)
            public.router.add_get("/ws", sockets.market_streams)
            public.router.add_get("/ws/{names:.*}", sockets.market_streams)
            public.router.add_get("/stream", sockets.market_streams)
            public.router.add_get("/ws-api/v3", sockets.requests)
            public.router.add_route("*", "/{path:.*}", rest.answer)
        admin = Admin(self.state, self.token, hub, self._refuse)
        self._runners = [await self._runner(application) for application in (public, admin.application())]
        self._site = await self._open_site(self.options.port)
        await web.TCPSite(self._runners[1], self.options.host, 0).start()
        self._ports = tuple(int(runner.addresses[0][1]) for runner in self._runners)  # type: ignore[assignment]
        if self.options.clock == "real":
            self._keep(self._tick(hub, follower))

    @staticmethod
    async def _runner(application: web.Application) -> web.AppRunner:
        runner = web.AppRunner(application, access_log=None, logger=LOGGER, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        return runner

    async def _open_site(self, port: int) -> web.TCPSite:
        # The address is reused: a port that a fault has closed is opened again within seconds.
        site = web.TCPSite(self._runners[0], self.options.host, port, ssl_context=self._tls, reuse_address=True)
        await site.start()
        return site

    async def _refuse(self, seconds: float) -> None:
        """Close the port and cut every connection; open it again after ``seconds``."""
        await self._site.stop()
        server = self._runners[0].server
        # A closed port alone would let clients go on over the connections that they keep alive.
        for connection in server.connections if server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()

        async def reopen() -> None:
            await asyncio.sleep(seconds)
            self._site = await self._open_site(self._ports[0])

        self._keep(reopen())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tick(self, hub: Hub, follower: Follower) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await follower.tick()
                await hub.settle()
                await hub.publish_market()
            except TidemillError as error:
                # A source or a disk that fails now may be back in a second; the clock must not stop for it.
                LOGGER.warning("the venue could not follow its clock: %s", error)

    async def _shut(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for runner in self._runners:
            await runner.cleanup()
        # What a fault keeps waiting has nobody left to answer.
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _open_certificate(options: VenueOptions) -> ssl.SSLContext | None:
    """The TLS context; ConfigurationError when a file is missing or is no certificate."""
    if options.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = options.tls
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"the certificate {certificate} with key {key} cannot be used: {error}") from error
    return context


def serve(options: VenueOptions) -> int:
    """Serve until SIGINT or SIGTERM; the first line on stdout is JSON. Exit code 0.

    For a process of its own: a parent reads the line, and then knows ports and token. Blocks until a signal comes.
    """
    server = VenueServer(options)
    server.start()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    sys.stdout.write(json.dumps(server.first_line()) + "\n")
    sys.stdout.flush()
    stopped.wait()
    server.stop()
    return 0
