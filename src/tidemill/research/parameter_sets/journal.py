"""A sweep's own file: one line per set that was tried, written before the next is counted.

A sweep of hours survives a kill by it: what is in the file is not run again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tidemill.domain.errors import DataError
from tidemill.research.parameter_sets.outcomes import FailedSet, Outcome, SetResult
from tidemill.research.parameter_sets.spaces import Params


class Journal:
    """Append-only JSON lines; a last line that a kill has torn is not counted, and written over.

    DataError when another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise DataError(
                f"another run of this sweep is under way and writes {path}; wait for it, or stop it"
            ) from None
        self._results: dict[str, SetResult] = {}
        self._file.truncate(self._load())

    def _load(self) -> int:
        """Take in what is there; the length of its whole lines."""
        whole = 0
        for line in self.path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                result = _read(line)
                self._results[params_key(result.params)] = result
                whole += len(line)
        return whole

    def __len__(self) -> int:
        return len(self._results)

    def find(self, params: Params) -> SetResult | None:
        """What came of a set, None when it has not been tried.

        Names may stand in any order in ``params``, but values must be equal as JSON: 1 and 1.0 are two sets.
        """
        return self._results.get(params_key(params))

    def results(self) -> Iterator[SetResult]:
        """Everything tried, in the order in which it was done.

        A set that was written twice stands once, with what came last.
        """
        yield from self._results.values()

    def write(self, result: SetResult) -> None:
        """Keep one set, durably.

        It is on disk (fsync) when this returns. The line names whether the set was tried or failed.
        """
        kind = "failed" if isinstance(result, FailedSet) else "tried"
        fields = result.to_json() | ({"returns": result.returns} if isinstance(result, Outcome) else {})
        self._file.write(json.dumps({"kind": kind, **fields}, sort_keys=True).encode() + b"\n")
        self._file.flush()
        # a set is counted as a trial right after this, so its line must survive a loss of power
        os.fsync(self._file.fileno())
        self._results[params_key(result.params)] = result

    def close(self) -> None:
        """Close the file.

        It also gives up the lock, so that another run can go on with the file.
        """
        self._file.close()


def params_key(params: Params) -> str:
    """One text per set, whatever the order of its names."""
    return json.dumps(dict(params), sort_keys=True)


def _read(line: bytes) -> SetResult:
    fields: dict[str, Any] = json.loads(line)
    if fields.pop("kind") == "failed":
        return FailedSet(**fields)
    count, total, squares = fields.pop("returns")
    fields |= {name: float(fields[name]) for name in ("equity_end", "fees")}
    return Outcome(**fields, returns=(count, total, squares))
