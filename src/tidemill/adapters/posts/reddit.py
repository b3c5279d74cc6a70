"""Reddit through praw: the newest posts of some subreddits, each listing about a thousand posts deep."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import requests

from tidemill.adapters.posts._frames import PostFrames, PostRow
from tidemill.adapters.posts._session import TIMEOUT_SECONDS, OnPayload, open_session, unwrap
from tidemill.domain.errors import ConfigurationError, DataError, TidemillError
from tidemill.domain.market import format_time, from_micros, to_micros
from tidemill.ports.frames import MICROS_PER_SECOND

log = logging.getLogger(__name__)

KEY_SETTINGS = "TIDEMILL_REDDIT__CLIENT_ID and TIDEMILL_REDDIT__CLIENT_SECRET"
SUBREDDITS_SETTING = "TIDEMILL_REDDIT__SUBREDDITS"
PAGE, MOST_PAGES = 100, 11
LEAST_DEPTH = 900  # a listing that ends after fewer posts has no older ones
USER_AGENT = "python:tidemill:0.1 (reads new posts of a few subreddits)"
GONE = frozenset({"[removed]", "[deleted]"})


class RedditSource:
    """New posts of ``subreddits``; ``received_at`` tells the market clock.

    praw's own patience is taken from it: it neither retries nor sleeps out a quota here, since a task
    with retries stands above. It may pause up to ten seconds between requests when Reddit asks it to.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        subreddits: Sequence[str],
        base_url: str = "",
        *,
        received_at: Callable[[], datetime],
        assumed_delay_seconds: float | None = None,
        on_payload: OnPayload | None = None,
    ) -> None:
        if not client_id or not client_secret:
            raise ConfigurationError(f"Reddit needs keys; set {KEY_SETTINGS}")
        if not subreddits:
            raise ConfigurationError(f"Reddit needs subreddits to read; set {SUBREDDITS_SETTING}")
        self._subreddits, self._received_at = tuple(subreddits), received_at
        self._frames = PostFrames(source="reddit", assumed_delay_seconds=assumed_delay_seconds)
        session = open_session("Reddit", base_url, on_payload)
        self._connect: Callable[[], Any] = lambda: _connect(client_id, client_secret, session)
        self._reddit = self._connect()

    @property
    def source(self) -> str:
        """``reddit``."""
        return "reddit"

    def fetch_posts(self, start: datetime, end: datetime) -> pd.DataFrame:
        """POSTS with ``start`` <= event_time < ``end``, ascending; may be empty.

        Posts beyond the depth of a listing are lost to it, which the log says.
        """
        rows = [row for name in self._subreddits for row in self._read_listing(name, to_micros(start))]
        return self._frames.build(rows, start, end)

    def _read_listing(self, subreddit: str, start: int) -> list[PostRow]:
        rows: list[PostRow] = []
        after: str | None = None
        for _ in range(MOST_PAGES):
            listing = self._ask(subreddit, after)
            received = to_micros(self._received_at())
            page = [_row(vars(post), received) for post in listing]
            rows += page
            after = listing.after
            if after is None or not page or page[-1].created < start:
                break
        if len(rows) >= LEAST_DEPTH and rows[-1].created >= start:
            oldest = format_time(from_micros(rows[-1].created))
            log.warning("the listing of r/%s ends at %s; older posts cannot be read any more", subreddit, oldest)
        return rows

    def _ask(self, subreddit: str, after: str | None) -> Any:
        import prawcore

        params = {"limit": PAGE} if after is None else {"limit": PAGE, "after": after}
        errors = prawcore.exceptions
        try:
            listing = self._reddit.get(f"r/{subreddit}/new", params=params)
        except errors.OAuthException:
            raise ConfigurationError(f"Reddit refused the keys; correct {KEY_SETTINGS}") from None
        except (errors.RequestException, errors.BadJSON, requests.JSONDecodeError) as error:
            raise unwrap(error, "Reddit") from None
        except (errors.ResponseException, errors.Redirect) as error:
            raise _refusal(error.response.status_code, subreddit) from None
        self._drop_spent_client()
        return listing

    def _drop_spent_client(self) -> None:
        """A praw client whose quota is used up sleeps for minutes in its next call; a new one asks, and is told."""
        remaining = self._reddit.auth.limits["remaining"]
        if remaining is not None and remaining <= 0:
            self._reddit = self._connect()


def _connect(client_id: str, client_secret: str, session: requests.Session) -> Any:
    """A praw client that takes nothing from praw.ini or the environment."""
    import praw

    return praw.Reddit(
        "DEFAULT",
        requestor_kwargs={"session": session},
        client_id=client_id,
        client_secret=client_secret,
        user_agent=USER_AGENT,
        oauth_url="https://oauth.reddit.com",
        reddit_url="https://www.reddit.com",
        username=None,
        password=None,
        refresh_token=None,
        redirect_uri=None,
        ratelimit_seconds=0,
        timeout=int(TIMEOUT_SECONDS),
        check_for_updates=False,
        check_for_async=False,
    )


def _refusal(status: int, subreddit: str) -> TidemillError:
    if status == requests.codes.unauthorized:
        return ConfigurationError(f"Reddit refused the keys; correct {KEY_SETTINGS}")
    return ConfigurationError(
        f"Reddit does not show r/{subreddit} ({status}): it does not exist or is closed; correct {SUBREDDITS_SETTING}"
    )


def _row(post: Mapping[str, Any], received: int) -> PostRow:
    try:
        created = round(post["created_utc"] * MICROS_PER_SECOND)
        text = "" if post["selftext"] in GONE else post["selftext"]
        title = post["title"]
        return PostRow(str(post["id"]), str(post["subreddit"]), created, received, title, text)
    except KeyError as error:
        raise DataError(f"Reddit sent a post without {error}; the answer cannot be used") from None
