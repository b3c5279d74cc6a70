"""InfluxDB's v2 API through its own client: lines written, points read with Flux."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tidemill.adapters.influx.wire import (
    CHUNK_LINES,
    TIMEOUT,
    Answer,
    Place,
    PointQuery,
    Refusal,
    patiently,
    seconds_of,
)
from tidemill.domain.market import format_time, from_micros, parse_time, to_micros
from tidemill.ports import Sleep

PIVOT = 'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'


class FluxWire:
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
        """Write lines with times in micros, some thousand a request; an interrupted write is safe to repeat."""
        for at in range(0, len(lines), CHUNK_LINES):
            text = "\n".join(lines[at : at + CHUNK_LINES])
            patiently(self._place, self._sleep, partial(self._ask, self._writes.write, record=text))

    def read(self, *queries: PointQuery) -> list[Answer]:
        """Every point of each query, in any order; all in one request."""
        names = [str(number) for number in range(len(queries))]
        parts = [
            f'{_flux(self._place, query)} |> {PIVOT} |> yield(name: "{name}")'
            for name, query in zip(names, queries, strict=True)
        ]
        rows = self._query("\n".join(parts))
        return [[row for row in rows if row["result"] == name] for name in names]

    def newest(self, query: PointQuery) -> int | None:
        """The largest time at which the first of the columns is, or None."""
        field = f' |> filter(fn: (r) => r["_field"] == {json.dumps(query.columns[0])})'
        rows = self._query(f"{_flux(self._place, query)}{field} |> last()")
        return max((int(row["time"]) for row in rows), default=None)

    def version(self) -> str:
        """What the server says it is."""
        return str(self._client.version())

    @property
    def place(self) -> str:
        """Where the bars are, without a secret."""
        return self._place.described

    def close(self) -> None:
        """Close the connections."""
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


def _flux(place: Place, query: PointQuery) -> str:
    start, end = (format_time(from_micros(moment)) for moment in (query.start, query.end))
    tags = {"_measurement": query.measurement, **query.tags}
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
