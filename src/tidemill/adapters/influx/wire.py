"""How InfluxDB is spoken to: the v2 API through its client, and InfluxQL for 1.x and 3; errors made ours."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

from tidemill.domain.errors import ConfigurationError, TransientError
from tidemill.domain.market import format_time, from_micros, parse_time, to_micros
from tidemill.ports import Sleep

Api = Literal["v2", "v2-influxql", "v1"]
CHUNK_LINES, TRIES, FIRST_PAUSE, TIMEOUT = 5_000, 5, 0.5, 30.0
MAY_PASS = frozenset({408, 429, 500, 502, 503, 504})
REFUSED = frozenset({401, 403, 404})
PIVOT = 'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
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
    def told(self) -> str:
        """The place in words."""
        return f"bucket {self.bucket} at {self.url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
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

    def read(self, *wanted: Wanted) -> list[Answer]:
        """Every point of each, in any order; all in one request."""
        ...

    def newest(self, wanted: Wanted) -> int | None:
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


def open_wire(place: Place, api: Api, sleep: Sleep) -> Wire:
    """The way to speak to a server of that API."""
    from tidemill.adapters.influx._query import InfluxQlWire

    if api == "v1":
        return InfluxQlWire(place, sleep, write_path="/write")
    if api == "v2-influxql":
        return InfluxQlWire(place, sleep, write_path="/api/v2/write")
    return ClientWire(place, sleep)


def patiently(place: Place, sleep: Sleep, ask: Callable[[], Any]) -> Any:
    """What ``ask`` gives, asked again while the server is busy: neither client nor server does that by itself.

    TransientError when it stays so, ConfigurationError when key, bucket or database are refused.
    """
    for tried in range(1, TRIES + 1):
        try:
            return ask()
        except Refusal as error:
            if error.status in REFUSED:
                told = f"InfluxDB at {place.url} refuses ({error.status}): {error}; check its token, org and bucket"
                raise ConfigurationError(told) from error
            if tried == TRIES or (error.status and error.status not in MAY_PASS):
                raise TransientError(f"InfluxDB at {place.url} did not answer: {error}") from error
            sleep(error.wait if error.wait is not None else FIRST_PAUSE * 2 ** (tried - 1))
    raise AssertionError


class ClientWire:
    """The v2 API through influxdb-client, read with Flux."""

    def __init__(self, place: Place, sleep: Sleep) -> None:
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        self._place, self._sleep = place, sleep
        self._client = InfluxDBClient(
            url=place.url, token=place.token, org=place.org, timeout=int(TIMEOUT * 1000), enable_gzip=True
        )
        self._writes = self._client.write_api(write_options=SYNCHRONOUS)
        self._queries = self._client.query_api()

    def write(self, lines: Sequence[str]) -> None:
        """See the protocol."""
        for at in range(0, len(lines), CHUNK_LINES):
            text = "\n".join(lines[at : at + CHUNK_LINES])
            patiently(self._place, self._sleep, partial(self._ask, self._writes.write, record=text))

    def read(self, *wanted: Wanted) -> list[Answer]:
        """See the protocol."""
        names = [str(number) for number in range(len(wanted))]
        parts = [
            f'{_flux(self._place, one)} |> {PIVOT} |> yield(name: "{name}")'
            for name, one in zip(names, wanted, strict=True)
        ]
        rows = self._query("\n".join(parts))
        return [[row for row in rows if row["result"] == name] for name in names]

    def newest(self, wanted: Wanted) -> int | None:
        """See the protocol."""
        field = f' |> filter(fn: (r) => r["_field"] == {json.dumps(wanted.columns[0])})'
        found = self._query(f"{_flux(self._place, wanted)}{field} |> last()")
        return max((int(row["time"]) for row in found), default=None)

    def version(self) -> str:
        """See the protocol."""
        return str(self._client.version())

    @property
    def place(self) -> str:
        """See the protocol."""
        return self._place.told

    def close(self) -> None:
        """See the protocol."""
        self._client.close()  # type: ignore[no-untyped-call]

    def _query(self, text: str) -> Answer:
        answer = patiently(self._place, self._sleep, partial(self._ask, self._queries.query_raw, query=text))
        with answer:
            rows = list(parse_annotated(answer.data.decode().splitlines()))
        return [{**row, "time": str(to_micros(parse_time(row["_time"], "_time")))} for row in rows]

    def _ask(self, method: Any, **extra: Any) -> Any:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        if "record" in extra:
            extra |= {"bucket": self._place.bucket, "write_precision": "us"}
        try:
            return method(org=self._place.org, **extra)
        except ApiException as error:
            wait = dict(error.headers or {}).get("Retry-After")
            raise Refusal(error.status or 0, str(error.body or error.reason)[:200], seconds_of(wait)) from error
        except (HTTPError, OSError) as error:
            raise Refusal(0, type(error).__name__) from error


def _flux(place: Place, wanted: Wanted) -> str:
    start, end = (format_time(from_micros(one)) for one in (wanted.start, wanted.end))
    tags = {"_measurement": wanted.measurement, **wanted.tags}
    where = " and ".join(f"r[{json.dumps(name)}] == {json.dumps(value)}" for name, value in tags.items())
    bucket = json.dumps(place.bucket)
    return f"from(bucket: {bucket}) |> range(start: {start}, stop: {end}) |> filter(fn: (r) => {where})"


def parse_annotated(lines: Sequence[str]) -> Iterator[dict[str, str]]:
    """Rows of annotated CSV: tables one after the other, each with annotations, a head and its rows.

    The name of the result stands in the defaults alone.
    """
    head: list[str] = []
    name = ""
    for cells in csv.reader(lines):
        if not cells or cells[0].startswith("#"):
            head = []
            name = cells[1] if cells and cells[0] == "#default" else name
        elif not head:
            head = cells
        else:
            yield {**dict(zip(head, cells, strict=False)), "result": name}


def seconds_of(text: Any) -> float | None:
    """Seconds as a Retry-After header tells them, or None."""
    try:
        return max(0.0, float(text))
    except (TypeError, ValueError):
        return None
