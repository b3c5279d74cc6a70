"""A venue for foreign clients: a process of its own, started by the command that users have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.clients import KEY, SECRET, Place

START = "2013-02-13T14:30:45Z"


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A venue with one account of 100,000 USD, within the session of 2013-02-13.

    The param ``tls`` puts it behind a certificate, ``bybit`` lets it speak the other protocol.
    """
    command = [os.environ.get("TIDEMILL", str(Path(sys.executable).parent / "tidemill")), "venue"]
    command += ["--recording", "bundled", "--clock", "recorded", "--unlimited"]
    asked = getattr(request, "param", "")
    command += ["--protocol", "bybit"] if asked == "bybit" else []
    trusted = _certify(tmp_path) if asked == "tls" else ""
    if trusted:
        command += ["--tls-cert", str(tmp_path / "venue.pem"), "--tls-key", str(tmp_path / "venue.key")]
    venue = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert venue.stdout is not None
        line = json.loads(venue.stdout.readline())
        _post(line, "accounts", {"key": KEY, "secret": SECRET, "balances": {"USD": "100000"}})
        _post(line, "clock", {"now": START})
        yield Place(line["rest"], line["ws"] or "", line["ws_api"] or "", trusted)
    finally:
        venue.terminate()
        venue.wait(10)


def _post(line: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    headers = {"X-Admin-Token": line["token"], "Content-Type": "application/json"}
    request = urllib.request.Request(f"{line['admin']}/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def _certify(folder: Path) -> str:
    """A certificate for the exchange's names by an authority made for this test; the authority's file."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    names = ("api.binance.com", "stream.binance.com", "ws-api.binance.com", "localhost")
    issued = authority.issue_cert(*names)
    issued.cert_chain_pems[0].write_to_path(folder / "venue.pem")
    issued.private_key_pem.write_to_path(folder / "venue.key")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return str(folder / "authority.pem")
