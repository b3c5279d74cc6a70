"""The three sites on one port of loopback, on a thread of their own.

The addresses of the three do not overlap, so one server is enough. The thread lets a test or a flow that blocks call
them from the same process.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
from aiohttp import web

from tidemill.domain.errors import ConfigurationError
from tidemill.doubles.news_site import NewsSite
from tidemill.doubles.reddit_site import RedditSite
from tidemill.doubles.shelf import Shelf
from tidemill.doubles.site import Outage, Quota, Site
from tidemill.doubles.x_site import XSite

AMPLE = 1_000_000
WINDOW_SECONDS = {"x": 900.0, "reddit": 600.0, "news": 86_400.0}


def _wall_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextKeys:
    """The keys that the three sites accept: X's bearer token, Reddit's client id and secret, NewsAPI's key.

    Made up by whoever starts the doubles, and given to the adapters under test; a request with any other key is refused
    as the site would.
    """

    bearer_token: str
    client_id: str
    client_secret: str
    api_key: str


class TextDoubles:
    """X, Reddit and NewsAPI, served from POSTS up to ``market_now()``, each speaking its real protocol.

    ``quotas``: site (``x``, ``reddit``, ``news``) -> requests per window of wall time (15 minutes, 10 minutes,
    a day); a site left out has plenty, since a replay runs faster than any window. ``news_max_results``
    is the depth of NewsAPI's plan.
    """

    def __init__(
        self,
        posts: pd.DataFrame,
        market_now: Callable[[], datetime],
        *,
        keys: TextKeys,
        quotas: Mapping[str, int] | None = None,
        news_max_results: int = 10_000,
        wall_now: Callable[[], datetime] = _wall_now,
    ) -> None:
        limits = dict(quotas or {})
        quota = {name: Quota(limits.get(name, AMPLE), WINDOW_SECONDS[name], wall_now) for name in WINDOW_SECONDS}
        shelf = {name: Shelf(posts, name) for name in WINDOW_SECONDS}
        self._sites: dict[str, Site] = {
            "x": XSite(shelf["x"], market_now, quota["x"], bearer_token=keys.bearer_token),
            "reddit": RedditSite(
                shelf["reddit"], market_now, quota["reddit"], client_id=keys.client_id, client_secret=keys.client_secret
            ),
            "news": NewsSite(
                shelf["news"], market_now, quota["news"], api_key=keys.api_key, max_results=news_max_results
            ),
        }
        self._server: _LoopThread | None = None

    @property
    def x_url(self) -> str:
        """Base URL of X, as ``base_url`` takes it."""
        return self._url()

    @property
    def reddit_url(self) -> str:
        """Base URL of Reddit, both of its token and of its listings."""
        return self._url()

    @property
    def news_url(self) -> str:
        """Base URL of NewsAPI."""
        return self._url()

    def start(self) -> None:
        """Listen on a free port of 127.0.0.1; a second call changes nothing.

        The address is ready when this returns. A start after :meth:`stop` takes a free port anew.
        """
        if self._server is None:
            self._server = _LoopThread([route for site in self._sites.values() for route in site.routes()])

    def stop(self) -> None:
        """Close the port and end the thread; nothing happens when it is not running.

        Requests under way get a second to finish. Quotas and outages stay for the next start.
        """
        if self._server is not None:
            self._server.stop()
            self._server = None

    def fail(self, site: str, status: int, retry_after: float | None = None) -> None:
        """Let ``site`` refuse every request with ``status``; ``retry_after`` in seconds is told its own way.

        ``site`` is ``x``, ``reddit`` or ``news``, KeyError else. It lasts until :meth:`mend`, uses up no quota, and 429
        is in the site's own JSON while any other status is a proxy's HTML page.
        """
        self._sites[site].outage = Outage(status=status, retry_after=retry_after)

    def mend(self, site: str) -> None:
        """End the outage of ``site``.

        Nothing happens when there is none. KeyError for a site that there is not.
        """
        self._sites[site].outage = None

    def _url(self) -> str:
        if self._server is None:
            raise ConfigurationError("the doubles of X, Reddit and NewsAPI have no address yet; start them first")
        return f"http://127.0.0.1:{self._server.port}"


class _LoopThread:
    """An aiohttp server on an event loop of its own thread, up when the constructor returns."""

    def __init__(self, routes: list[web.RouteDef]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Bound before the loop runs, so that the port is certain when the constructor returns.
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="text-doubles", daemon=True)
        self._thread.start()
        self._runner: web.AppRunner = self._run(self._serve(routes)).result()

    def stop(self) -> None:
        self._run(self._runner.cleanup()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: object) -> Future[web.AppRunner]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)  # type: ignore[arg-type]

    async def _serve(self, routes: list[web.RouteDef]) -> web.AppRunner:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        return runner
