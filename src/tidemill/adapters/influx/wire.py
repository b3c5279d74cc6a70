"""What is asked of an InfluxDB server, whatever its version, and how long a busy one is asked again.

The ways to ask are beside it: `flux` for the v2 API, `influxql` for 1.x and 3; `connection` opens the one that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tidemill.domain.errors import ConfigurationError, TransientError
from tidemill.ports import Sleep

Api = Literal["v2", "v2-influxql", "v1"]
CHUNK_LINES, TRIES, FIRST_PAUSE, TIMEOUT = 5_000, 5, 0.5, 30.0
MAY_PASS = frozenset({408, 429, 500, 502, 503, 504})
REFUSED = frozenset({401, 403, 404})
Answer = list[dict[str, str]]
"""Rows of text: ``time`` in micros, tags and fields by their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the bars are: a bucket of an organisation (v2, 3), or the database of that name (1.x)."""

    url: str
    token: str = ""
    org: str = "tidemill"
    bucket: str = "tidemill"

    @property
    def described(self) -> str:
        """The place in words, without its token."""
        return f"bucket {self.bucket} at {self.url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointQuery:
    """Points with ``tags`` and ``start`` <= time < ``end`` (micros); ``columns``: fields first, then tags."""

    tags: Mapping[str, str]
    columns: Sequence[str]
    start: int
    end: int
    measurement: str = "bars"


class Wire(Protocol):
    """What the adapter asks of a server."""

    def write(self, lines: Sequence[str]) -> None:
        """Write lines of the line protocol with times in micros; safe to repeat."""
        ...

    def read(self, *queries: PointQuery) -> list[Answer]:
        """Every point of each, in any order; all in one request."""
        ...

    def newest(self, query: PointQuery) -> int | None:
        """The largest time at which the first of the columns is, or None."""
        ...

    def version(self) -> str:
        """What the server says it is."""
        ...

    @property
    def place(self) -> str:
        """Where the bars are, without a secret."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Refusal(Exception):
    """An answer other than success: its status (0: none came), the text, and how long the server asks to wait."""

    def __init__(self, status: int, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.status, self.wait = status, wait


def patiently(place: Place, sleep: Sleep, ask: Callable[[], Any]) -> Any:
    """What ``ask`` gives, asked again while the server is busy: neither client nor server does that by itself.

    TransientError when it stays so, ConfigurationError when key, bucket or database are refused.
    """
    for tried in range(1, TRIES + 1):
        try:
            return ask()
        except Refusal as error:
            if error.status in REFUSED:
                raise ConfigurationError(
                    f"InfluxDB at {place.url} refuses ({error.status}): {error}; check its token, org and bucket"
                ) from error
            if tried == TRIES or (error.status and error.status not in MAY_PASS):
                raise TransientError(f"InfluxDB at {place.url} did not answer: {error}") from error
            sleep(error.wait if error.wait is not None else FIRST_PAUSE * 2 ** (tried - 1))
    raise AssertionError


def seconds_of(text: Any) -> float | None:
    """Seconds as a Retry-After header tells them, or None."""
    try:
        return max(0.0, float(text))
    except (TypeError, ValueError):
        return None
