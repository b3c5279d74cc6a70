"""A real InfluxDB 1.x on loopback, when one is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
logging-enabled = false
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{http}"
log-enabled = false
[logging]
level = "error"
"""


@contextmanager
def running_influx() -> Iterator[str]:
    """URL of a server of our own, or nothing when there is no program."""
    program = shutil.which("influxd")
    if program is None:
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="tidemill-influx-") as folder:
        http, rpc = free_port(), free_port()
        config = Path(folder) / "influxdb.conf"
        config.write_text(CONFIG.format(folder=folder, http=http, rpc=rpc))
        with (Path(folder) / "log").open("wb") as log:
            child = subprocess.Popen([program, "-config", str(config)], stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{http}", child)
            yield f"http://127.0.0.1:{http}"
        finally:
            child.terminate()
            child.wait(20)


def create_database(url: str, name: str) -> None:
    body = urllib.parse.urlencode({"q": f"CREATE DATABASE {name}"}).encode()
    urllib.request.urlopen(f"{url}/query", body, timeout=10).read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, child: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert child.poll() is None, "influxd ended"
        try:
            urllib.request.urlopen(f"{url}/ping", timeout=1).read()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("influxd did not answer")
