"""A server on loopback that answers by path what it was told, and notes what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Any | Callable[[Mapping[str, str]], Any]


@dataclass
class WireDouble:
    """``answers``: part of the path -> JSON value, bytes, (status, headers, value), or what makes one of the query."""

    answers: dict[str, Answer]
    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.asked.append((parts.path, query))
        found = max((key for key in self.answers if key in parts.path), key=len, default=None)
        if found is None:
            return 404, {}, b'{"error": "the double has no such page"}'
        value = self.answers[found]
        value = value(query) if callable(value) else value
        status, headers, value = value if isinstance(value, tuple) else (200, {}, value)
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return status, {"Content-Type": "application/json", **headers}, body


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[WireDouble]:
    double = WireDouble(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, headers, body = double.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
