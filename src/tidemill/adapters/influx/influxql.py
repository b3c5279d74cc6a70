"""InfluxDB by line protocol and InfluxQL: what 1.x, 2.x (with a mapped database) and 3 share."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from typing import Any

import requests

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
from tidemill.domain.errors import ConfigurationError
from tidemill.ports import Sleep


class InfluxQlWire:
    """Writes the line protocol to ``write_path``, reads with InfluxQL: what 1.x, 2.x (mapped) and 3 share."""

    def __init__(self, place: Place, sleep: Sleep, *, write_path: str) -> None:
        self._place, self._sleep, self._path = place, sleep, write_path
        self._session = requests.Session()
        self._session.trust_env = False
        if place.token:
            self._session.headers["Authorization"] = f"Token {place.token}"

    def write(self, lines: Sequence[str]) -> None:
        """Write lines with times in micros, some thousand a request; an interrupted write is safe to repeat."""
        names = {"db": self._place.bucket, "precision": "u"}
        if self._path != "/write":
            names = {"bucket": self._place.bucket, "org": self._place.org, "precision": "us"}
        for at in range(0, len(lines), CHUNK_LINES):
            body = gzip.compress("\n".join(lines[at : at + CHUNK_LINES]).encode(), compresslevel=1)
            self._send("POST", self._path, names, body, {"Content-Encoding": "gzip"})

    def read(self, *queries: PointQuery) -> list[Answer]:
        """Every point of each query, in any order; all in one request."""
        return self._query("; ".join(_select(query) for query in queries))

    def newest(self, query: PointQuery) -> int | None:
        """The largest time at which the first of the columns is, or None."""
        text = f'SELECT last("{query.columns[0]}") FROM {query.measurement} WHERE {_where(query)}'  # noqa: S608
        (rows,) = self._query(text)
        return int(rows[0]["time"]) if rows else None

    def version(self) -> str:
        """What the server says it is."""
        return self._send("GET", "/ping", {}).headers.get("X-Influxdb-Version", "of unknown version")

    @property
    def place(self) -> str:
        """Where the bars are, without a secret."""
        return self._place.described

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _query(self, text: str) -> list[Answer]:
        """The rows of each statement."""
        answer = self._send("GET", "/query", {"db": self._place.bucket, "epoch": "u", "q": text})
        return [self._rows(result) for result in answer.json()["results"]]

    def _rows(self, result: Mapping[str, Any]) -> Answer:
        if "error" in result:
            raise ConfigurationError(f"InfluxDB at {self._place.url} refuses: {result['error']}")
        series = result.get("series", [])
        if any(table.get("partial") for table in series):
            raise ConfigurationError(
                f"InfluxDB at {self._place.url} cuts its answers short; set its max-row-limit to 0"
            )
        rows = [dict(zip(table["columns"], row, strict=True)) for table in series for row in table["values"]]
        return [{name: _text(value) for name, value in row.items()} for row in rows]

    def _send(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        body: bytes = b"",
        heads: Mapping[str, str] | None = None,
    ) -> requests.Response:
        def ask() -> requests.Response:
            url = f"{self._place.url}{path}"
            try:
                response = self._session.request(method, url, params=names, data=body, headers=heads, timeout=TIMEOUT)
            except requests.RequestException as error:
                raise Refusal(0, type(error).__name__) from error
            if not response.ok:
                raise Refusal(
                    response.status_code, response.text[:200], seconds_of(response.headers.get("Retry-After"))
                )
            return response

        answer: requests.Response = patiently(self._place, self._sleep, ask)
        return answer


def _select(query: PointQuery) -> str:
    names = ", ".join(f'"{name}"' for name in query.columns)
    return f"SELECT {names} FROM {query.measurement} WHERE {_where(query)}"  # noqa: S608 -- ours


def _where(query: PointQuery) -> str:
    tags = "".join(f"\"{name}\" = '{_quoted(value)}' AND " for name, value in query.tags.items())
    return f"{tags}time >= {query.start * 1000} AND time < {query.end * 1000}"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
