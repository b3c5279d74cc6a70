"""A sweep's own file: one line per set that was tried, written before the next is counted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from tidemill.sweeps.outcomes import Failed, Found, Outcome
from tidemill.sweeps.spaces import Params


class Journal:
    """Append-only JSON lines; a last line that a kill has torn is not counted, and written over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._found: dict[str, Found] = {}
        whole = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                one = _read(line)
                self._found[params_key(one.params)] = one
                whole += len(line)
        self._file = path.open("ab")
        self._file.truncate(whole)

    def __len__(self) -> int:
        return len(self._found)

    def find(self, params: Params) -> Found | None:
        """What came of a set, None when it has not been tried."""
        return self._found.get(params_key(params))

    def found(self) -> Iterator[Found]:
        """Everything tried, in the order in which it was done."""
        yield from self._found.values()

    def write(self, found: Found) -> None:
        """Keep one set, durably."""
        kind = "failed" if isinstance(found, Failed) else "tried"
        told = found.as_dict() | ({"returns": found.returns} if isinstance(found, Outcome) else {})
        self._file.write(json.dumps({"kind": kind, **told}, sort_keys=True).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._found[params_key(found.params)] = found

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def params_key(params: Params) -> str:
    """One text per set, whatever the order of its names."""
    return json.dumps(dict(params), sort_keys=True)


def _read(line: bytes) -> Found:
    told = json.loads(line)
    if told.pop("kind") == "failed":
        return Failed(**told)
    count, total, squares = told.pop("returns")
    money = {name: float(told.pop(name)) for name in ("equity_end", "fees")}
    return Outcome(**told, **money, returns=(count, total, squares))
