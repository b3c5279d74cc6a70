"""Snapshots: the same frame again, a name that is its hash, and a file that nobody changes unnoticed."""

from __future__ import annotations

import hashlib
import stat
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tidemill.adapters.models.parquet_snapshots import ParquetSnapshots
from tidemill.domain.errors import DataError, TransientError


def frame(rows: int = 50, seed: int = 1) -> pd.DataFrame:
    opens = pd.date_range(datetime(2021, 1, 1, tzinfo=UTC), periods=rows, freq="min").as_unit("us")
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), np.random.default_rng(seed).uniform(1, 2, rows))
    made = pd.DataFrame({"instrument": "A-USDT.T", "open_time": opens, **values, "knowledge_time": opens})
    return made.assign(assumed=True, stored_at=opens)


def test_a_snapshot_is_named_by_its_hash_and_gives_the_frame_bit_for_bit(tmp_path: Path) -> None:
    kept = ParquetSnapshots(tmp_path / "snapshots")
    digest = kept.write_snapshot(frame())
    path = kept.path(digest)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    pd.testing.assert_frame_equal(kept.read_snapshot(digest), frame(), check_exact=True)
    assert not stat.S_IMODE(path.stat().st_mode) & 0o222


@pytest.mark.parametrize("rows", [0, 1, 5_000])
def test_every_type_of_column_comes_back_as_it_was(tmp_path: Path, rows: int) -> None:
    made = frame(rows)
    made = made.assign(missing=np.where(np.arange(rows) % 2 == 0, np.nan, 1.0), number=np.arange(rows) - 3)
    made = made.assign(late=made["open_time"].where(made["number"] % 2 == 0), text=[str(one) for one in range(rows)])
    made = made.astype({"text": "str"})
    kept = ParquetSnapshots(tmp_path)
    pd.testing.assert_frame_equal(kept.read_snapshot(kept.write_snapshot(made)), made, check_exact=True)
    plain = made[["number", "missing"]]
    pd.testing.assert_frame_equal(kept.read_snapshot(kept.write_snapshot(plain)), plain, check_exact=True)


def test_the_same_frame_is_kept_once_and_another_beside_it(tmp_path: Path) -> None:
    kept = ParquetSnapshots(tmp_path)
    assert kept.write_snapshot(frame()) == kept.write_snapshot(frame())
    kept.write_snapshot(frame(seed=2))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("where", [40, -40])
def test_a_changed_file_is_refused(tmp_path: Path, where: int) -> None:
    kept = ParquetSnapshots(tmp_path)
    digest = kept.write_snapshot(frame())
    path = kept.path(digest)
    body = bytearray(path.read_bytes())
    body[where] ^= 1
    path.chmod(0o644)
    path.write_bytes(body)
    with pytest.raises(DataError, match=digest):
        kept.read_snapshot(digest)


def test_a_missing_snapshot_and_a_folder_that_is_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no readable snapshot"):
        ParquetSnapshots(tmp_path).read_snapshot("0" * 64)
    (tmp_path / "file").write_text("")
    with pytest.raises(TransientError, match="cannot be written"):
        ParquetSnapshots(tmp_path / "file").write_snapshot(frame())
