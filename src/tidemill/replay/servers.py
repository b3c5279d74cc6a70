"""The paper venue and the doubles of X, Reddit and NewsAPI, started for one replay."""

from __future__ import annotations

import secrets
from datetime import datetime
from decimal import Decimal
from typing import Any

import requests

from tidemill.domain.errors import TransientError
from tidemill.domain.market import format_time
from tidemill.doubles import TextDoubles, TextKeys
from tidemill.matching import FillRules
from tidemill.recording import Recording
from tidemill.replay.plan import DOUBLE_KEY
from tidemill.venue import UNLIMITED, VenueOptions, VenueServer

# a replay asks in minutes what takes days


class ReplayServers:
    """Starts and stops the servers of one replay, opens the account, moves the market clock."""

    def __init__(self, recording: Recording, rules: FillRules) -> None:
        self.key, self.secret = secrets.token_hex(16), secrets.token_hex(16)
        self._venue = VenueServer(VenueOptions(recording=recording, rules=rules, clock="recorded", limits=UNLIMITED))
        self._now = recording.first_open
        self._doubles = TextDoubles(
            recording.posts,
            lambda: self._now,
            keys=TextKeys(bearer_token=DOUBLE_KEY, client_id=DOUBLE_KEY, client_secret=DOUBLE_KEY, api_key=DOUBLE_KEY),
        )
        self._session = requests.Session()

    @property
    def urls(self) -> dict[str, str]:
        """Base URLs: rest, admin, x, reddit, news."""
        doubles = self._doubles
        return {
            "rest": self._venue.rest_url,
            "admin": self._venue.admin_url,
            "x": doubles.x_url,
            "reddit": doubles.reddit_url,
            "news": doubles.news_url,
        }

    def start(self) -> None:
        """Start all on free ports of loopback."""
        self._venue.start()
        self._doubles.start()

    def open_account(self, currency: str, cash: Decimal) -> None:
        """Open the venue's account under keys made for this replay."""
        self._admin("/accounts", {"key": self.key, "secret": self.secret, "balances": {currency: str(cash)}})

    def move_clock(self, moment: datetime) -> None:
        """Move the market clock; the venue matches every bar closed since the last move."""
        self._admin("/clock", {"now": format_time(moment)})
        self._now = max(self._now, moment)

    def stop(self) -> None:
        """Stop all that was started here."""
        self._session.close()
        self._doubles.stop()
        self._venue.stop()

    def _admin(self, path: str, body: dict[str, Any]) -> None:
        headers = {"X-Admin-Token": self._venue.token}
        answer = self._session.post(self._venue.admin_url + path, json=body, headers=headers, timeout=30)
        if not answer.ok:
            raise TransientError(f"the paper venue refused {path}: {answer.status_code} {answer.text[:200]}")
