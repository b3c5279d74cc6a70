"""A small InfluxDB on loopback, with faults on wish.

It takes writes at ``/api/v2/write`` and answers as the version it stands for: 2 the part of Flux that Tidemill speaks,
1.8 and 3 the part of InfluxQL, at ``/query``. They differ in what they say of a database that is not there: 1.8 tells
it inside an answer of status 200, 3 with status 404, and 3 makes a database of the first write.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TOKEN, ORG, BUCKET = "token-of-the-test", "tidemill", "bars"
Key = tuple[str, tuple[tuple[str, str], ...], int]
INFLUXQL = re.compile(r"SELECT (.+) FROM (\w+) WHERE (.*?)time >= (-?\d+) AND time < (-?\d+)")
TYPES = {float: "double", int: "long", bool: "boolean", str: "string"}


@dataclass
class Double:
    """What was written, and what to do wrong: statuses told instead, first to last; rows that an answer may have."""

    version: str = "2"
    most_rows: int = 0
    points: dict[Key, dict[str, object]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    retry_after: str = ""
    writes: list[int] = field(default_factory=list)
    encodings: list[str] = field(default_factory=list)
    reads: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, text: str) -> None:
        """Same measurement, tags and time: fields named replace, others stay, as the real one does."""
        lines = [parse_line(line) for line in text.splitlines() if line]
        for key, fields in lines:
            self.points.setdefault(key, {}).update(fields)
        self.writes.append(len(lines))

    def influxql(self, text: str) -> list[dict[str, object]]:
        """What every statement of a query comes to."""
        self.reads += 1
        answers = [(number, self.select(one)) for number, one in enumerate(text.split("; "))]
        return [{"statement_id": number, **({"series": found} if found else {})} for number, found in answers]

    def select(self, text: str) -> list[dict[str, object]]:
        """Series of the answer to one SELECT of columns, or of the last value of one."""
        names, measurement, tags, start, stop = INFLUXQL.fullmatch(text).groups()
        wanted = dict(re.findall(r"\"(\w+)\" = '([^']*)' AND ", tags))
        columns = re.findall(r'"(\w+)"', names)
        rows = [
            [at, *({**dict(tags), **fields}.get(name) for name in columns)]
            for (name, tags, at), fields in sorted(self.points.items(), key=lambda one: one[0][2])
            if name == measurement and int(start) <= at * 1000 < int(stop) and wanted.items() <= dict(tags).items()
        ]
        rows = rows[-1:] if names.startswith("last(") else rows
        shown = rows[: self.most_rows or None]
        cut = {"partial": True} if len(shown) < len(rows) else {}
        names = ["last"] if names.startswith("last(") else columns
        return [{"name": measurement, "columns": ["time", *names], "values": shown, **cut}] if rows else []

    def flux(self, text: str) -> str:
        """What every result of a script comes to."""
        self.reads += 1
        return "".join(self.query(one) for one in text.split("\n"))

    def query(self, text: str) -> str:
        start, stop = (micros(one) for one in re.search(r"start: (\S+), stop: ([^)]+)\)", text).groups())
        wanted = dict(re.findall(r'r\["(\w+)"\] == "([^"]*)"', text))
        assert re.match(rf'from\(bucket: "{BUCKET}"\) \|> range', text), text
        only = wanted.pop("_field", None)
        measurement = wanted.pop("_measurement")
        found: dict[tuple[tuple[str, str], ...], list[tuple[int, dict[str, object]]]] = {}
        for (name, tags, at), fields in sorted(self.points.items(), key=lambda one: one[0][2]):
            if name == measurement and start <= at < stop and wanted.items() <= dict(tags).items():
                found.setdefault(tags, []).append((at, fields))
        if "pivot" in text:
            name = re.search(r'\|> yield\(name: "(\w+)"\)$', text)[1]
            return "".join(table(number, tags, rows, name) for number, (tags, rows) in enumerate(found.items()))
        assert text.endswith("|> last()")
        last = {tags: [(rows[-1][0], {"_value": rows[-1][1][only]})] for tags, rows in found.items()}
        return "".join(table(number, tags, rows) for number, (tags, rows) in enumerate(last.items()))


def table(
    number: int,
    tags: tuple[tuple[str, str], ...],
    rows: list[tuple[int, dict[str, object]]],
    result: str = "_result",
) -> str:
    """One table of annotated CSV; the result's name is a default, and a field that a row lacks is empty."""
    kept = {name: value for _, fields in rows for name, value in fields.items()}
    names, kinds = list(kept), [TYPES[type(value)] for value in kept.values()]
    head = ["", "result", "table", "_time", *(name for name, _ in tags), *names]
    lines = [
        ",".join(["#datatype", "string", "long", "dateTime:RFC3339", *["string"] * len(tags), *kinds]),
        ",".join(["#group", "false", "false", "false", *["true"] * len(tags), *["false"] * len(names)]),
        ",".join(["#default", result, *[""] * (len(head) - 2)]),
        ",".join(head),
    ]
    for at, fields in rows:
        moment = (EPOCH + timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"
        values = (written(fields.get(name)) for name in names)
        lines.append(",".join(["", "", str(number), moment, *(value for _, value in tags), *values]))
    return "\r\n".join(lines) + "\r\n\r\n"


def written(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def parse_line(line: str) -> tuple[Key, dict[str, object]]:
    """One line of the line protocol; ValueError for what the real one would refuse."""
    keys, fields, at = line.split(" ")
    name, *tags = keys.split(",")
    found = {}
    for one in fields.split(","):
        key, _, value = one.partition("=")
        found[key] = parse_value(value)
    return (name, tuple(sorted(tuple(tag.split("=")) for tag in tags)), int(at)), found


def parse_value(text: str) -> object:
    if text in {"true", "false"}:
        return text == "true"
    if text.endswith("i"):
        return int(text[:-1])
    if text.lower() in {"nan", "inf", "-inf"}:
        raise ValueError(f"unsupported value {text}")
    return float(text)


def micros(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    double: Double

    def log_message(self, *args: object) -> None: ...

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/query" and self.double.version != "2":
            self.judge(partial(self.read, url))
        else:
            self.answer(200, b'{"status":"pass"}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.double.encodings.append(self.headers.get("Content-Encoding", ""))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.judge(partial(self.serve, urlsplit(self.path), body))

    def judge(self, serve) -> None:
        """Do wrong what is to go wrong, refuse a wrong key, else serve."""
        with self.double.lock:
            if self.double.statuses:
                self.answer(self.double.statuses.pop(0), b'{"message":"as told"}')
            elif self.headers.get("Authorization") != f"Token {TOKEN}":
                self.answer(401, b'{"code":"unauthorized"}')
            else:
                serve()

    def read(self, url) -> None:
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        assert asked["epoch"] == "u"
        if asked["db"] != BUCKET and self.double.version == "3":
            self.answer(404, b'{"error":"the requested database was not found"}')
            return
        if asked["db"] != BUCKET:
            told: list[dict[str, object]] = [{"statement_id": 0, "error": f"database not found: {asked['db']}"}]
        else:
            told = self.double.influxql(asked["q"])
        self.answer(200, json.dumps({"results": told}).encode())

    def serve(self, url, body: bytes) -> None:
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        assert asked["org"] == ORG
        query = json.loads(body)["query"] if url.path == "/api/v2/query" else ""
        if query and self.double.version != "2":
            self.answer(404, b'{"error":"not found"}')
            return
        if BUCKET not in (asked.get("bucket"), *re.findall(r'bucket: "([^"]*)"', query)):
            self.answer(404, b'{"code":"not found"}')
            return
        if query:
            self.answer(200, self.double.flux(query).encode(), "text/csv")
            return
        assert asked["precision"] == "us"
        try:
            self.double.write(body.decode())
        except ValueError as error:
            self.answer(400, json.dumps({"message": str(error)}).encode())
            return
        self.answer(204, b"")

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        if status >= 400 and self.double.retry_after:
            self.send_header("Retry-After", self.double.retry_after)
        self.send_header("X-Influxdb-Version", self.double.version)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_double(version: str = "2") -> Iterator[Double]:
    made = Double(version=version)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"double": made}))
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
