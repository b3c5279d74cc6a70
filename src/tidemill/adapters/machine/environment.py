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
    installed = importlib.metadata.distributions()
    versions = sorted({f"{package.name.lower()}=={package.version}" for package in installed if package.name})
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16]


@cache
def cpu_family() -> str:
    """Architecture, vendor and family of the processor, as far as the system tells."""
    fields = {"vendor_id": "", "cpu family": "", "model": ""}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in fields and not fields[name.strip()]:
            fields[name.strip()] = value.strip()
    return "-".join(part for part in (platform.machine(), *fields.values()) if part)
