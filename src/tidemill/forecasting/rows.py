"""The feature rows of one decision, made into a frame only for who asks for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd


class FeatureRows:
    """Rows by instrument: ``values`` float64 (rows, columns), NaN where unknown; ``frame`` has the same and more.

    A backtest makes the rows of all its decisions at once, and cutting a frame out of them each time would
    cost more than deciding does.
    """

    def __init__(
        self,
        names: Sequence[str],
        columns: Mapping[str, int],
        values: np.ndarray,
        make_frame: Callable[[], pd.DataFrame],
    ) -> None:
        self.names = list(names)
        self.columns = columns
        self.values = values
        self._make_frame = make_frame
        self._frame: pd.DataFrame | None = None

    @classmethod
    def of(cls, frame: pd.DataFrame) -> FeatureRows:
        """The rows of a frame indexed by instrument; columns that hold no numbers stay in the frame alone.

        ``values`` has a copy as float64; the frame itself is not copied until someone asks for it.
        """
        numbers = frame.select_dtypes("number")
        columns = {str(name): place for place, name in enumerate(numbers.columns)}
        names = [str(name) for name in frame.index]
        return cls(names, columns, numbers.to_numpy(dtype=np.float64), lambda: frame)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def frame(self) -> pd.DataFrame:
        """A frame of its own, the same at each call: what is written into it stays there, as pandas copies on write."""
        if self._frame is None:
            self._frame = self._make_frame().copy(deep=False)
        return self._frame

    def column(self, name: str) -> np.ndarray:
        """One column, float64 (rows,).

        A view of ``values``: do not write into it. KeyError when there is no such column of numbers.
        """
        values: np.ndarray = self.values[:, self.columns[name]]
        return values

    def only(self, mask: np.ndarray) -> FeatureRows:
        """The rows where ``mask``, bool (rows,), is true.

        The same object comes back when ``mask`` keeps every row.
        """
        if mask.all():
            return self
        names = [name for name, keep in zip(self.names, mask.tolist(), strict=True) if keep]
        return FeatureRows(names, self.columns, self.values[mask], lambda: self._make_frame()[mask])

    def record(self) -> dict[str, dict[str, float | None]]:
        """Values by instrument and column, as a decision stores them; NaN becomes None, which JSON can carry.

        Whole numbers come back as floats, as one array holds all columns.
        """
        # an array of objects, for a float array cannot hold None
        values = self.values.astype(object)
        values[np.isnan(self.values)] = None
        return {
            name: {column: row[place] for column, place in self.columns.items()}
            for name, row in zip(self.names, values.tolist(), strict=True)
        }


def as_rows(table: pd.DataFrame | FeatureRows) -> FeatureRows:
    """The rows of ``table``, whichever of the two it is.

    A frame is indexed by instrument.
    """
    return table if isinstance(table, FeatureRows) else FeatureRows.of(table)
