"""One requests session for the text sources: a timeout always, loopback on wish, trouble named at the wire.

Their clients know the hosts they speak to by heart and differ in how they fail; so the session under them
sends each request to ``base_url`` instead, and turns what may pass (no answer, 429, 5xx) into TransientError
before any of them can sleep, retry or stumble over it.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from tidemill.domain.errors import ConfigurationError, TidemillError, TransientError

OnPayload = Callable[[str, bytes], None]
TIMEOUT_SECONDS = 20.0
MESSAGE_LENGTH = 200


def open_session(site: str, base_url: str, on_payload: OnPayload | None) -> requests.Session:
    """A session that speaks to ``site`` at ``base_url`` (empty: the real hosts).

    ``on_payload`` gets "GET path?query" and the body of every good answer to a GET; keys travel in
    headers, so they are in neither. ConfigurationError when ``base_url`` would carry keys in the clear
    beyond this machine.
    """
    session = requests.Session()
    adapter = _WireAdapter(site, _check_base_url(site, base_url), on_payload)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # A .netrc or proxy of the machine has no say in what stays on the machine.
    session.trust_env = not base_url
    return session


class _WireAdapter(HTTPAdapter):
    """Sends, waits at most ``TIMEOUT_SECONDS``, and judges how it went."""

    def __init__(self, site: str, base_url: str, on_payload: OnPayload | None) -> None:
        super().__init__(max_retries=0)
        self._site, self._base_url, self._on_payload = site, base_url, on_payload

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """See HTTPAdapter; TransientError when the site is silent, down or out of quota."""
        kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT_SECONDS
        try:
            response = super().send(self._aim(request), *args, **kwargs)
            body = response.content
        except requests.RequestException as error:
            raise TransientError(f"{self._site} did not answer ({type(error).__name__})") from error
        response.request, response.url = request, str(request.url)
        self._judge(response)
        if self._on_payload and request.method == "GET" and response.status_code == requests.codes.ok:
            self._on_payload(f"GET {request.path_url}", body)
        return response

    def _aim(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if not self._base_url:
            return request
        aimed = request.copy()
        base, requested = urlsplit(self._base_url), urlsplit(str(request.url))
        aimed.url = urlunsplit((base.scheme, base.netloc, requested.path, requested.query, ""))
        return aimed

    def _judge(self, response: requests.Response) -> None:
        status = response.status_code
        if status == requests.codes.too_many_requests:
            wait = _seconds_to_wait(response.headers)
            raise TransientError(f"{self._site} is out of quota (429)", retry_after_seconds=wait)
        if status >= requests.codes.internal_server_error or status == requests.codes.request_timeout:
            wait = _seconds_to_wait(response.headers)
            raise TransientError(f"{self._site} is down ({status})", retry_after_seconds=wait)


def unwrap(error: Exception, site: str) -> TidemillError:
    """The error of ours inside one that a client library made of it; else a TransientError of that kind."""
    inner = getattr(error, "original_exception", error)
    if isinstance(inner, TidemillError):
        return inner
    return TransientError(f"{site} gave an answer that cannot be read ({type(error).__name__})")


def _check_base_url(site: str, base_url: str) -> str:
    if not base_url:
        return base_url
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"base_url '{base_url}' of {site} is no address; write it as http://127.0.0.1:8000")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ConfigurationError(f"base_url '{base_url}' of {site} would send keys in the clear; use https")
    return base_url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seconds_to_wait(headers: CaseInsensitiveDict[str]) -> float | None:
    """What the site says of coming back: retry-after, X's end of window, or Reddit's seconds left."""
    try:
        if "retry-after" in headers:
            return _seconds(headers["retry-after"], headers)
        if "x-rate-limit-reset" in headers:
            sent = parsedate_to_datetime(headers["date"]).timestamp()
            return max(0.0, float(headers["x-rate-limit-reset"]) - sent)
        return float(headers["x-ratelimit-reset"])
    except (KeyError, TypeError, ValueError):  # a TypeError: one of two dates tells no zone
        return None


def _seconds(text: str, headers: CaseInsensitiveDict[str]) -> float:
    if text.strip().replace(".", "", 1).isdigit():
        return float(text)
    return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds())
