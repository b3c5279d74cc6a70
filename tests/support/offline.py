"""The command line run as a user runs it, with every socket beyond loopback refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GUARD = """
import socket
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex

def _check(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"refused by the test: a connection to {address[0]}")

def connect(self, address):
    _check(self, address)
    return _connect(self, address)

def connect_ex(self, address):
    _check(self, address)
    return _connect_ex(self, address)

socket.socket.connect = connect
socket.socket.connect_ex = connect_ex
"""


def run_offline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `tidemill` with ``arguments`` in ``folder``, with the settings' defaults."""
    (folder / "guard").mkdir(exist_ok=True)
    (folder / "guard" / "sitecustomize.py").write_text(GUARD)
    environment = {**os.environ, "PYTHONPATH": str(folder / "guard"), "NO_COLOR": "1"}
    for name in ("PREFECT_API_URL", "TIDEMILL_HOME"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "tidemill", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
