"""InfluxDB by line protocol and InfluxQL: what 1.x, 2.x (with a mapped database) and 3 share."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from tidemill.adapters.influx.wire import CHUNK_LINES, TIMEOUT, Answer, Place, Refusal, Wanted, patiently, seconds_of
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
        """See the protocol."""
        names = {"db": self._place.bucket, "precision": "u"}
        if self._path != "/write":
            names = {"bucket": self._place.bucket, "org": self._place.org, "precision": "us"}
        for at in range(0, len(lines), CHUNK_LINES):
            body = gzip.compress("\n".join(lines[at : at + CHUNK_LINES]).encode(), compresslevel=1)
            self._send("POST", self._path, names, body, {"Content-Encoding": "gzip"})

    def read(self, *wanted: Wanted) -> list[Answer]:
        """See the protocol."""
        return self._query("; ".join(_select(one) for one in wanted))

    def newest(self, wanted: Wanted) -> int | None:
        """See the protocol."""
        text = f'SELECT last("{wanted.columns[0]}") FROM {wanted.measurement} WHERE {_where(wanted)}'  # noqa: S608
        (found,) = self._query(text)
        return int(found[0]["time"]) if found else None

    def version(self) -> str:
        """See the protocol."""
        return self._send("GET", "/ping", {}).headers.get("X-Influxdb-Version", "of unknown version")

    @property
    def place(self) -> str:
        """See the protocol."""
        return self._place.told

    def close(self) -> None:
        """See the protocol."""
        self._session.close()

    def _query(self, text: str) -> list[Answer]:
        """The rows of each statement."""
        answer = self._send("GET", "/query", {"db": self._place.bucket, "epoch": "u", "q": text})
        return [self._rows(one) for one in answer.json()["results"]]

    def _rows(self, told: Mapping[str, Any]) -> Answer:
        if "error" in told:
            raise ConfigurationError(f"InfluxDB at {self._place.url} refuses: {told['error']}")
        series = told.get("series", [])
        if any(one.get("partial") for one in series):
            raise ConfigurationError(
                f"InfluxDB at {self._place.url} cuts its answers short; set its max-row-limit to 0"
            )
        rows = [dict(zip(one["columns"], row, strict=True)) for one in series for row in one["values"]]
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
                found = self._session.request(method, url, params=names, data=body, headers=heads, timeout=TIMEOUT)
            except requests.RequestException as error:
                raise Refusal(0, type(error).__name__) from error
            if not found.ok:
                raise Refusal(found.status_code, found.text[:200], seconds_of(found.headers.get("Retry-After")))
            return found

        answer: requests.Response = patiently(self._place, self._sleep, ask)
        return answer


def _select(wanted: Wanted) -> str:
    names = ", ".join(f'"{name}"' for name in wanted.columns)
    return f"SELECT {names} FROM {wanted.measurement} WHERE {_where(wanted)}"  # noqa: S608 -- ours


def _where(wanted: Wanted) -> str:
    tags = "".join(f"\"{name}\" = '{_quoted(value)}' AND " for name, value in wanted.tags.items())
    return f"{tags}time >= {wanted.start * 1000} AND time < {wanted.end * 1000}"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
