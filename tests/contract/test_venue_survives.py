"""The venue killed in a storm of orders: what it acknowledged it still knows; and a venue that cheats is found out."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

pytestmark = pytest.mark.wire
KEY, SECRET = "k1", "s1"
SENDERS, STORM_SECONDS = 6, 1.0

# A journal that lets answers leave at once and writes when it likes.
FORGETFUL = """
import sys
from tidemill.venue import journal
async def settled(self):
    self.written = self.appended
journal.Journal.settled = settled
from tidemill.cli import main
sys.exit(main())
"""


def start(folder: Path, *, forgetful: bool) -> tuple[subprocess.Popen[str], dict[str, str]]:
    program = ["-c", FORGETFUL] if forgetful else ["-m", "tidemill"]
    options = ["venue", "--recording", "bundled", "--clock", "recorded", "--unlimited", "--db", str(folder / "v.db")]
    child = subprocess.Popen([sys.executable, *program, *options], stdout=subprocess.PIPE, text=True, cwd=folder)
    assert child.stdout is not None
    return child, json.loads(child.stdout.readline())


def admin(told: dict[str, str], method: str, path: str, body: dict | None = None) -> dict:
    head = {"X-Admin-Token": told["token"]}
    answer = requests.request(method, f"{told['admin']}/{path}", json=body, headers=head, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


def send_orders(rest: str, name: str, acknowledged: list[str], stop: threading.Event) -> None:
    """Place tiny resting orders one after another, and note each that was acknowledged."""
    address = urlsplit(rest).netloc
    line = http.client.HTTPConnection(address, timeout=5)
    number = 0
    try:
        while not stop.is_set():
            number += 1
            text = "symbol=AAPLUSD&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=1&newOrderRespType=ACK"
            text += f"&newClientOrderId={name}-{number}&timestamp={int(time.time() * 1000)}"
            signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
            line.request("POST", "/api/v3/order", f"{text}&signature={signature}", {"X-MBX-APIKEY": KEY})
            answer = line.getresponse()
            if answer.status == 200:
                acknowledged.append(json.loads(answer.read())["clientOrderId"])
            else:
                answer.read()
    except (OSError, http.client.HTTPException):
        return


def storm(folder: Path, *, forgetful: bool) -> tuple[set[str], set[str]]:
    """Client ids acknowledged before a kill, and those that the venue knows after it."""
    child, told = start(folder, forgetful=forgetful)
    admin(told, "POST", "accounts", {"key": KEY, "secret": SECRET, "balances": {"USD": "100000"}})
    admin(told, "POST", "clock", {"now": "2013-02-13T00:00:45Z"})
    acknowledged: list[str] = []
    stop = threading.Event()
    senders = [
        threading.Thread(target=send_orders, args=(told["rest"], f"s{number}", acknowledged, stop))
        for number in range(SENDERS)
    ]
    for one in senders:
        one.start()
    time.sleep(STORM_SECONDS)
    os.kill(child.pid, signal.SIGKILL)
    stop.set()
    for one in senders:
        one.join()
    child.wait()
    child, told = start(folder, forgetful=False)
    known = {one["clientOrderId"] for one in admin(told, "GET", "truth")["orders"]}
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0
    return set(acknowledged), known


def test_no_acknowledged_order_is_lost_in_a_storm(tmp_path: Path) -> None:
    acknowledged, known = storm(tmp_path, forgetful=False)
    assert len(acknowledged) > 20
    assert acknowledged <= known


def test_a_venue_that_answers_before_it_writes_is_found_out(tmp_path: Path) -> None:
    acknowledged, known = storm(tmp_path, forgetful=True)
    assert acknowledged - known
