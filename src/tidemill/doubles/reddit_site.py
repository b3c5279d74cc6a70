"""Reddit: POST /api/v1/access_token and GET /r/{subreddit}/new, newest first, about a thousand posts deep.

Listings, fullnames (``t3_`` and the id) and ``after`` follow Reddit's API documentation; the headers of the rate limit
follow the page "Reddit Data API Wiki". Without a recorded vote or comment every post is as it was when made.
"""

from __future__ import annotations

import base64
import html
import secrets
from hmac import compare_digest
from typing import Any

import numpy as np
from aiohttp import web

from tidemill.domain.market import to_micros
from tidemill.doubles.shelf import RecordedPost, Shelf
from tidemill.doubles.site import Now, Quota, QuotaState, Site, json_answer, unavailable_page

TOKEN_SECONDS = 86_400
PAGE, MAX_PAGE = 25, 100
LISTING_DEPTH = 1000
# A text post as it is the moment it was made: nobody has voted, commented or moderated yet.
UNTOUCHED: dict[str, Any] = {
    "selftext_html": None,
    "author": "[deleted]",
    "edited": False,
    "is_self": True,
    "subreddit_type": "public",
    "link_flair_text": None,
    "distinguished": None,
    "stickied": False,
    "locked": False,
    "over_18": False,
    "spoiler": False,
    "score": 0,
    "ups": 0,
    "downs": 0,
    "upvote_ratio": 0.0,
    "num_comments": 0,
    "num_crossposts": 0,
    "gilded": 0,
}


class RedditSite(Site):
    """Listings for a script's own keys. A subreddit without recorded posts is an empty one.

    Nobody has voted or commented yet: score, ups and num_comments are 0.
    """

    def __init__(self, shelf: Shelf, market_now: Now, quota: Quota, *, client_id: str, client_secret: str) -> None:
        super().__init__(shelf, market_now, quota)
        pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._expected = f"Basic {pair}"
        self._token = secrets.token_urlsafe(24)

    def routes(self) -> list[web.RouteDef]:
        """Token and listing, with and without the ending that praw adds."""
        listing = self.guarded(self._list_new)
        return [
            web.post("/api/v1/access_token", self._give_token),
            web.get("/r/{subreddit}/new", listing),
            web.get("/r/{subreddit}/new/", listing),
            web.get("/r/{subreddit}/new.json", listing),
        ]

    def refuse(self, status: int, seconds: float | None) -> web.Response:
        """429 in JSON with retry-after; what is worse comes as a page."""
        if status != 429:
            return unavailable_page(status, seconds)
        headers = {} if seconds is None else {"retry-after": f"{seconds:.0f}"}
        return json_answer({"message": "Too Many Requests", "error": 429}, 429, headers)

    def is_authorized(self, request: web.Request) -> web.Response | None:
        """Compare the access token given out before."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and compare_digest(token.encode(), self._token.encode()):
            return None
        return json_answer({"message": "Unauthorized", "error": 401}, 401)

    def quota_headers(self, state: QuotaState) -> dict[str, str]:
        """Rest, used and seconds to the end of the window, as praw paces itself by."""
        return {
            "x-ratelimit-remaining": f"{state.remaining:.1f}",
            "x-ratelimit-used": str(state.used),
            "x-ratelimit-reset": str(int(state.seconds_left)),
        }

    async def _give_token(self, request: web.Request) -> web.Response:
        if self.outage:
            return self.refuse(self.outage.status, self.outage.retry_after)
        # The token's own address takes the client's id and secret, all others the token.
        if not compare_digest(request.headers.get("Authorization", "").encode(), self._expected.encode()):
            return json_answer({"message": "Unauthorized", "error": 401}, 401)
        form = await request.post()
        if form.get("grant_type") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"})
        body = {"access_token": self._token, "token_type": "bearer", "expires_in": TOKEN_SECONDS, "scope": "*"}
        return json_answer(body)

    def _list_new(self, request: web.Request) -> web.Response:
        query = request.query
        limit_text = query.get("limit", str(PAGE))
        size = min(int(limit_text), MAX_PAGE) if limit_text.isdigit() and limit_text != "0" else PAGE
        reachable = self._reachable(request.match_info["subreddit"])
        after = query.get("after")
        if after:
            # A listing goes on below the post that ``after`` names; one that is not there ends it with an empty page.
            position = self.shelf.position(after.removeprefix("t3_"))
            reachable = reachable[: np.searchsorted(reachable, -1 if position is None else position)]
        page = [self.shelf.read(int(at)) for at in reachable[::-1][:size]]
        more = len(reachable) > size
        raw = query.get("raw_json") == "1"
        return json_answer(_listing([_submission(post, raw=raw) for post in page], more=more))

    def _reachable(self, subreddits: str) -> np.ndarray:
        """Positions that a listing still reaches, ascending."""
        rows = self.shelf.of_channels(subreddits.split("+"))
        visible = np.searchsorted(self.shelf.times[rows], to_micros(self.market_now()), side="right")
        return rows[max(0, visible - LISTING_DEPTH) : visible]


def _listing(children: list[dict[str, Any]], *, more: bool) -> dict[str, Any]:
    after = children[-1]["name"] if more else None
    data = {
        "after": after,
        "before": None,
        "dist": len(children),
        "modhash": None,
        "geo_filter": "",
        "children": [{"kind": "t3", "data": child} for child in children],
    }
    return {"kind": "Listing", "data": data}


def _submission(post: RecordedPost, *, raw: bool) -> dict[str, Any]:
    """A text post; without raw_json=1 the service escapes ``&``, ``<`` and ``>``."""
    title, text = (part if raw else html.escape(part, quote=False) for part in (post.title, post.text))
    path = f"/r/{post.channel}/comments/{post.post_id}/"
    seconds = post.created_at.timestamp()
    return {
        "id": post.post_id,
        "name": f"t3_{post.post_id}",
        "subreddit": post.channel,
        "subreddit_name_prefixed": f"r/{post.channel}",
        "title": title,
        "selftext": text,
        "created": seconds,
        "created_utc": seconds,
        "domain": f"self.{post.channel}",
        "permalink": path,
        "url": f"https://www.reddit.com{path}",
        **UNTOUCHED,
    }
