"""Bars as they were at one moment, in Parquet files that never change: the name of each is its own SHA-256."""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from tidemill.domain.errors import DataError, TransientError

READ_ONLY = 0o444


class ParquetSnapshots:
    """The snapshot port on a folder.

    The folder is made when the first snapshot is written. Files are read-only, and none is ever changed or deleted
    here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write_snapshot(self, frame: pd.DataFrame) -> str:
        """Write ``frame`` unless it is there; its SHA-256. TransientError when the folder cannot be written.

        It is written beside its place and moved there when it is whole and on disk, so no reader meets half a file.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = self._folder / f".{os.getpid()}-{threading.get_ident()}.tmp"
            frame.to_parquet(draft, index=False, compression="zstd", **_encodings(frame))
            digest = _digest(draft.read_bytes())
            _keep(draft, self.path(digest))
        except OSError as error:
            raise TransientError(f"a snapshot cannot be written to {self._folder}: {error}") from error
        return digest

    def read_snapshot(self, digest: str) -> pd.DataFrame:
        """The frame of that SHA-256; DataError when it is not there, or not what was written.

        The file is hashed while it is read. A file that was cut or changed is never returned.
        """
        import pyarrow as pa

        try:
            with pa.memory_map(str(self.path(digest))) as file:
                body = file.read_buffer()
        except OSError as error:
            raise DataError(f"there is no readable snapshot {digest} in {self._folder}: {error}") from error
        # hashing does not hold the interpreter's lock, and takes less than the reading
        with ThreadPoolExecutor(1) as pool:
            body_digest = pool.submit(_digest, body)
            frame = _frame_of(body)
        if frame is None or body_digest.result() != digest:
            raise DataError(f"the snapshot {digest} in {self._folder} is not what was written; take it from a backup")
        return frame

    def path(self, digest: str) -> Path:
        """Its file."""
        return self._folder / f"{digest}.parquet"


def _encodings(frame: pd.DataFrame) -> dict[str, Any]:
    """How the columns are told: times as steps, texts by their number, for what is small is hashed and read soon."""
    times = [name for name, dtype in frame.dtypes.items() if pd.api.types.is_datetime64_any_dtype(dtype)]
    texts = [name for name, dtype in frame.dtypes.items() if pd.api.types.is_string_dtype(dtype)]
    return {"use_dictionary": texts or False, "column_encoding": dict.fromkeys(times, "DELTA_BINARY_PACKED") or None}


def _frame_of(body: bytes) -> pd.DataFrame | None:
    """The frame in a file's bytes, None when there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        frame: pd.DataFrame = pq.read_table(pa.BufferReader(body)).to_pandas()
    except (pa.ArrowException, OSError, ValueError):
        return None
    return frame


def _digest(body: object) -> str:
    return hashlib.sha256(memoryview(body)).hexdigest()  # type: ignore[arg-type]


def _keep(draft: Path, path: Path) -> None:
    """Put the finished file in its place, read-only and on disk, unless it is there."""
    if path.exists():
        draft.unlink()
        return
    draft.chmod(READ_ONLY)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
