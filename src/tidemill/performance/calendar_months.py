"""Returns by calendar month.

By UTC, whatever the market's own days: a run is compared with others by the same months.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def monthly_table(curve: pd.Series[float]) -> pd.DataFrame:
    """Return of each calendar month (UTC): rows years, columns 1 to 12 and ``year``, fractions.

    A mark closes the period that ends with it, so equity at midnight of the 1st belongs to the month before. The
    first and last month may be partial. The year is the compound of its months. NaN for months without a mark.
    """
    # a moment earlier, so that equity at midnight of the 1st falls into the month that it closes
    ends = pd.DatetimeIndex(curve.index) - pd.Timedelta(microseconds=1)
    months = ends.year * 12 + ends.month - 1
    # the first mark opens the run: it starts the month of the first return, it does not close one
    closing = pd.Series(curve.to_numpy(), index=months).iloc[1:].groupby(level=0).last()
    if not len(closing):
        return pd.DataFrame(columns=[*range(1, 13), "year"], dtype="float64")
    before = np.concatenate([[curve.iloc[0]], closing.to_numpy()[:-1]])
    returns = pd.Series(closing.to_numpy() / before - 1.0, index=closing.index)
    cells = pd.DataFrame({"year": returns.index // 12, "month": returns.index % 12 + 1, "return": returns.to_numpy()})
    table = cells.pivot_table(index="year", columns="month", values="return").reindex(columns=range(1, 13))
    table.columns = pd.Index([*range(1, 13)], dtype=object)
    table["year"] = (1.0 + cells.set_index("year")["return"]).groupby(level=0).prod() - 1.0
    return table
