"""A venue in a process of its own, and requests as bytes: no client stands between, so nothing is tidied up."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

KEY, SECRET = "k1", "s1"
WAIT = 10
MEETING = "2013-02-13T14:30:45Z"


@dataclass(frozen=True)
class Answer:
    """Status and body; status 0 when there was none."""

    status: int
    text: str

    @property
    def code(self) -> int | None:
        """The exchange's error code, None when there is none."""
        try:
            body = json.loads(self.text)
        except ValueError:
            return None
        return body.get("code") if isinstance(body, dict) else None


class Venue:
    """The process and what it says on stderr."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._said = (folder / "stderr").open("w+")
        command = [str(Path(sys.executable).parent / "tidemill"), "venue", "--recording", "bundled"]
        command += ["--clock", "recorded", "--unlimited", "--db", str(folder / "venue.db"), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._said, text=True)
        assert self.process.stdout is not None
        self.line: dict[str, Any] = json.loads(self.process.stdout.readline())
        self._port = urlsplit(self.line["rest"]).port or 0
        self._admin = {"X-Admin-Token": self.line["token"]}
        for path, body in (
            ("accounts", {"key": KEY, "secret": SECRET, "balances": {"USD": "100000", "AAPL": "50"}}),
            ("clock", {"now": MEETING}),
        ):
            requests.post(
                f"{self.line['admin']}/{path}", json=body, headers=self._admin, timeout=WAIT
            ).raise_for_status()

    def truth(self) -> dict[str, Any]:
        """What really happened."""
        found = requests.get(f"{self.line['admin']}/truth", headers=self._admin, timeout=WAIT)
        found.raise_for_status()
        made: dict[str, Any] = found.json()
        return made

    def said(self) -> str:
        """Everything on stderr so far."""
        self._said.flush()
        return Path(self._said.name).read_text()

    def send(self, raw: bytes, patience: float = WAIT) -> Answer:
        """Send bytes as they are and read one answer; status 0 when none comes within ``patience`` seconds."""
        with socket.create_connection(("127.0.0.1", self._port), patience) as line:
            try:
                line.sendall(raw)
                return _read(line)
            except (ConnectionError, TimeoutError):
                return Answer(0, "")

    def ask(self, method: str, path: str, query: str = "", body: str = "", key: str | None = KEY) -> Answer:
        """A well-formed request for whatever path and parameters."""
        target = path + (f"?{query}" if query else "")
        head = f"{method} {target} HTTP/1.1\r\nHost: venue\r\nConnection: close\r\n"
        head += f"X-MBX-APIKEY: {key}\r\n" if key is not None else ""
        sent = body.encode()
        head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(sent)}\r\n\r\n"
        return self.send(head.encode("latin-1", "replace") + sent)

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(WAIT)
        self._said.close()


def _read(line: socket.socket) -> Answer:
    received = b""
    while chunk := line.recv(65_536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    words = head.split(b" ")
    return Answer(int(words[1]) if len(words) > 1 else 0, body.decode("utf-8", "replace"))


@contextmanager
def running_venue(folder: Path, *options: str) -> Iterator[Venue]:
    """A venue for a while, with more options of its command."""
    made = Venue(folder, *options)
    try:
        yield made
    finally:
        made.stop()


def now() -> int:
    """The time in ms, for signed requests."""
    return int(time.time() * 1000)


def encode(parameters: dict[str, str]) -> str:
    """Parameters as a query, every byte but the plainest escaped."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())


def sign(query: str, secret: str = SECRET) -> str:
    """The query with its signature behind it."""
    mark = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"{query}&signature={mark}" if query else f"signature={mark}"
