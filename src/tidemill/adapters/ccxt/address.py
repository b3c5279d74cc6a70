"""Where orders may go in each mode: outside of live, never to an exchange itself."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from tidemill.adapters.ccxt.exchange import real_hosts, sandbox_hosts
from tidemill.domain.errors import ConfigurationError


def check_venue_address(mode: str, exchange: str, rest_url: str) -> None:
    """Refuse an address that the mode does not allow; ConfigurationError says what to set instead.

    Without an address a client speaks to the exchange itself. Mode ``paper`` and ``replay`` need the paper venue,
    ``sandbox`` the exchange's test network (or a double on loopback); in ``live`` the exchange is meant.
    """
    if mode == "live":
        return
    remedy = _remedy(mode, exchange)
    if not rest_url:
        raise ConfigurationError(f"mode {mode} does not trade at {exchange} itself; {remedy}")
    host = urlsplit(rest_url).hostname or ""
    if _is_loopback(host):
        return
    if _is_real(host, exchange) or (mode == "sandbox" and host not in sandbox_hosts(exchange)):
        raise ConfigurationError(f"mode {mode} does not trade at {host}; {remedy}")


def _remedy(mode: str, exchange: str) -> str:
    if mode != "sandbox":
        return "run 'tidemill up', or run 'tidemill venue' and set TIDEMILL_VENUE__REST_URL to its address"
    hosts = sorted(sandbox_hosts(exchange))
    if not hosts:
        return "ccxt knows no test network of it that has a host of its own; use mode paper"
    return f"set TIDEMILL_VENUE__REST_URL to its test network, such as https://{hosts[0]}"


def _is_real(host: str, exchange: str) -> bool:
    """Whether ``host`` lies in a domain of the exchange's own API, its test network left out."""
    domains = {".".join(name.split(".")[-2:]) for name in real_hosts(exchange)}
    return host not in sandbox_hosts(exchange) and ".".join(host.split(".")[-2:]) in domains


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
