"""What numbers are computed with here: installed packages and processor."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from functools import cache
from pathlib import Path

from tidemill import __version__
from tidemill.decision import Environment


def this_environment() -> Environment:
    """What decisions of this process are computed with."""
    return Environment(lock_hash=lock_hash(), cpu=cpu_family(), code=__version__)


@cache
def lock_hash() -> str:
    """SHA-256 over every installed distribution and its version: the lock as it really is here."""
    found = sorted({f"{one.name.lower()}=={one.version}" for one in importlib.metadata.distributions() if one.name})
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


@cache
def cpu_family() -> str:
    """Architecture, vendor and family of the processor, as far as the system tells."""
    wanted = {"vendor_id": "", "cpu family": "", "model": ""}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in wanted and not wanted[name.strip()]:
            wanted[name.strip()] = value.strip()
    return "-".join(part for part in (platform.machine(), *wanted.values()) if part)
