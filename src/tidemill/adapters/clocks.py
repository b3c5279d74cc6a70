"""Clocks: the machine's, and a paper venue's, asked over its admin port."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import requests

from tidemill.domain.errors import TransientError
from tidemill.domain.market import parse_time

TIMEOUT_SECONDS = 5.0


class WallClock:
    """The machine's clock in UTC."""

    def now(self) -> datetime:
        """The moment, aware UTC."""
        return datetime.now(UTC)


class VenueClock:
    """``GET /clock`` of the venue; TransientError when it does not answer."""

    def __init__(self, admin_url: str) -> None:
        self._url = f"{admin_url}/clock"
        self._local = threading.local()

    def now(self) -> datetime:
        """The venue's market time."""
        try:
            answer = self._session().get(self._url, timeout=TIMEOUT_SECONDS)
            answer.raise_for_status()
            return parse_time(answer.json()["now"], "the venue's clock")
        except (requests.RequestException, KeyError, ValueError) as error:
            raise TransientError(f"the venue's clock at {self._url} does not answer: {error}") from error

    def _session(self) -> requests.Session:
        """A session per thread: they are not made to be shared."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session
