"""What both ccxt adapters share: one loop thread, a client pointed where we want, our names for its symbols."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tidemill.adapters.ccxt._untyped import Answer, ExchangeClient
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import Instrument, split_instrument_id

T = TypeVar("T")
OnPayload = Callable[[str, bytes], None]
GRACE_SECONDS, LAST_SECONDS = 30.0, 5.0
# these speak the paper venue's own protocol
BINANCE_SPOT = frozenset({"binance", "binanceus"})
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "defaultType": "spot",
        "fetchMarkets": {"types": ["spot"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
        "maxRetriesOnFailure": 0,
        "warnOnFetchOpenOrdersWithoutSymbol": False,
    }
)


class LoopThread:
    """An asyncio loop on a thread of its own; synchronous callers hand it coroutines, several at once."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_seconds: float) -> T:
        """The coroutine's result; TimeoutError when it takes longer (it then goes on without its caller)."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_seconds)

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """The coroutine running on its own; whoever has the future may cancel it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End what still runs, then the loop and its thread."""
        self.run(_end_all(), LAST_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LAST_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()


async def _end_all() -> None:
    """Cancel every other task of this loop and wait for its end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # sockets that were closed say so one turn later


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a client of an exchange connects, with which keys, and how long it waits.

    ``rest_url`` and ``ws_url`` are those of the paper venue or of a proxy, without a path; empty: the exchange's own.
    ``key`` and ``secret`` are empty for what is public. A request that takes longer than ``timeout_seconds`` fails.
    """

    rest_url: str
    ws_url: str = ""
    key: str = ""
    secret: str = field(default="", repr=False)
    timeout_seconds: float = 10.0


def build_exchange(
    exchange_id: str,
    connection: Connection,
    *,
    exact: bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
    adapt: Callable[[type[Any]], type[Any]] | None = None,
    streaming: bool = False,
) -> Answer:
    """A ccxt client of the exchange that ccxt calls ``exchange_id``.

    ``exact`` parses numbers as text (money), else as floats (market data). ccxt's own retries are off: a
    retry of an order is a second order. ``options`` are the venue's own. ``adapt`` makes a subclass of ccxt's
    class; ``streaming`` takes its WebSocket class. ConfigurationError for an exchange that ccxt does not have.
    """
    client_class = _client_class(exchange_id, streaming=streaming)
    if adapt is not None:
        client_class = adapt(client_class)
    config: dict[str, Any] = {
        "apiKey": connection.key,
        "secret": connection.secret,
        "timeout": int(connection.timeout_seconds * 1000),
        "enableRateLimit": not connection.rest_url,
        "options": {**DEFAULTS, **options},
    }
    exchange = _connected(client_class, exchange_id, config, connection)
    if exact:
        exchange.number = str
    check_no_retries(exchange)
    return exchange


def _client_class(exchange_id: str, *, streaming: bool) -> type[Any]:
    if streaming:
        import ccxt.pro as ccxt
    else:
        import ccxt.async_support as ccxt

    if exchange_id not in ccxt.exchanges:
        raise ConfigurationError(f"ccxt has no exchange '{exchange_id}'; see the list in its documentation")
    client_class: type[Any] = getattr(ccxt, exchange_id)
    return client_class


def _connected(client_class: type[Any], exchange_id: str, config: dict[str, Any], connection: Connection) -> Answer:
    """A client whose requests go where the connection says."""
    rest_url, ws_url = connection.rest_url, connection.ws_url
    if not rest_url:
        return client_class(config)
    if exchange_id not in BINANCE_SPOT or config["options"]["defaultType"] != "spot":
        return _on_host(client_class, rest_url, ws_url)(config)
    streams = {"ws": {"spot": ws_url}} if ws_url else {}
    api = dict.fromkeys(("public", "private", "v1", "sapi"), f"{rest_url}/api/v3")
    return _on_loopback(client_class)(config | {"urls": {"api": api | streams}})


def check_no_retries(exchange: ExchangeClient) -> None:
    """Raise ConfigurationError when ccxt would send anything twice by itself."""
    if exchange.options.get("maxRetriesOnFailure", 0) != 0:
        raise ConfigurationError("ccxt's maxRetriesOnFailure must be 0: with retries one call can place several orders")


def _on_loopback(client_class: type[Any]) -> type[Any]:
    """The class with its spot error table on plain http too, where ccxt would not recognise the URL."""

    class OnLoopback(client_class):  # type: ignore[misc]
        def get_exceptions_by_url(self, url: str, exact_or_broad: str) -> Answer:
            del url
            return self.safe_dict(self.safe_dict(self.exceptions, "spot", {}), exact_or_broad, {})

    return OnLoopback


def _on_host(client_class: type[Any], rest_url: str, ws_url: str) -> type[Any]:
    """The class with requests sent to ``rest_url`` and streams joined at ``ws_url``, their paths as they are."""

    class OnHost(client_class):  # type: ignore[misc]
        async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Answer = None) -> Answer:
            parts = urlsplit(url)
            query = f"?{parts.query}" if parts.query else ""
            return await super().fetch(f"{rest_url}{parts.path}{query}", method, headers, body)

        def client(self, url: Any) -> Answer:
            """The WebSocket client of a URL."""
            return super().client(f"{ws_url}{urlsplit(url).path}" if ws_url else url)

    return OnHost


def unified_symbol(instrument_id: str) -> str:
    """``BTC-USDT.BINANCE`` -> ccxt's ``BTC/USDT``."""
    base, quote, _ = split_instrument_id(instrument_id)
    return f"{base}/{quote}"


def raw_symbol(instrument: Instrument) -> str:
    """``BTCUSDT``, as Binance writes it."""
    return instrument.base + instrument.quote


def real_hosts(exchange_id: str) -> frozenset[str]:
    """Hosts of the exchange's own API, by ccxt; what is sent there is real."""
    import ccxt

    exchange = getattr(ccxt, exchange_id)()
    return _hosts(exchange.urls["api"], exchange.hostname)


def sandbox_hosts(exchange_id: str) -> frozenset[str]:
    """Hosts of the exchange's test network, by ccxt, that nothing real answers at; none for some exchanges."""
    import ccxt

    exchange = getattr(ccxt, exchange_id)()
    return _hosts(exchange.urls.get("test", {}), exchange.hostname) - real_hosts(exchange_id)


def _hosts(urls: Any, hostname: str | None) -> frozenset[str]:
    if isinstance(urls, dict):
        return frozenset(host for inner in urls.values() for host in _hosts(inner, hostname))
    host = urlsplit(str(urls).replace("{hostname}", hostname or "")).hostname
    return frozenset({host}) if host else frozenset()
