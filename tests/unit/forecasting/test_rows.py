"""Feature rows of one decision: what a strategy writes into its frame stays with it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tidemill.forecasting import FeatureRows, as_rows

TABLE = pd.DataFrame(
    {
        "ret_24": [0.1, np.nan],
        "decided_open": pd.DatetimeIndex(["2021-01-01", "2021-01-01"], tz="UTC"),
        "bars_known": [720, 12],
    },
    index=pd.Index(["AAA-USD.T", "BBB-USD.T"], name="instrument"),
)


def test_the_record_has_numbers_and_none_for_the_unknown() -> None:
    assert as_rows(TABLE).record() == {
        "AAA-USD.T": {"ret_24": 0.1, "bars_known": 720.0},
        "BBB-USD.T": {"ret_24": None, "bars_known": 12.0},
    }


def test_rows_left_out_are_left_out_of_the_frame_too() -> None:
    some = as_rows(TABLE).only(np.array([True, False]))
    assert (len(some), some.names, list(some.frame.index)) == (1, ["AAA-USD.T"], ["AAA-USD.T"])
    assert some.column("ret_24").tolist() == [0.1]
    assert as_rows(TABLE).only(np.array([False, False])).record() == {}
    whole = as_rows(TABLE)
    assert whole.only(np.array([True, True])) is whole
    assert as_rows(whole) is whole


@pytest.mark.parametrize("where", ["frame", "column"])
def test_what_is_written_into_a_frame_changes_nothing_else(where: str) -> None:
    table = TABLE.copy()
    rows = FeatureRows.of(table)
    mine = rows.frame
    if where == "frame":
        mine["ret_24"] = 9.0
        mine["own"] = 1.0
    else:
        mine.loc["AAA-USD.T", "ret_24"] = 9.0
    assert rows.frame is mine
    pd.testing.assert_frame_equal(table, TABLE)
    assert rows.record()["AAA-USD.T"]["ret_24"] == 0.1
    assert math.isnan(rows.column("ret_24")[1])
