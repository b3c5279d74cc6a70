"""Models in memory, for the backtest and for tests."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tidemill.domain.errors import DataError
from tidemill.ports import FittedModel


class MemoryRegistry:
    """Versions count up from 1 per name.

    Nothing outlives the process: what is promoted here is champion of this backtest only.
    """

    def __init__(self) -> None:
        self._versions: dict[str, list[FittedModel]] = {}
        self._champions: dict[str, str] = {}

    def register(self, model: FittedModel, sample: pd.DataFrame) -> str:
        """Keep a candidate; its version.

        The same model registered again is another version. ``sample`` is not needed here, as nothing is written.
        """
        del sample
        versions = self._versions.setdefault(model.name, [])
        version = str(len(versions) + 1)
        versions.append(replace(model, version=version))
        return version

    def promote(self, name: str, version: str) -> None:
        """Make a version the champion; DataError when there is none of that number.

        The former champion stays a version. Promoting the champion again changes nothing.
        """
        self.load_version(name, version)
        self._champions[name] = version

    def load_champion(self, name: str) -> FittedModel | None:
        """The champion, or None.

        A version that was never promoted is not returned.
        """
        version = self._champions.get(name)
        return self.load_version(name, version) if version else None

    def load_version(self, name: str, version: str) -> FittedModel:
        """A version; DataError when there is none."""
        for model in self._versions.get(name, ()):
            if model.version == version:
                return model
        raise DataError(f"there is no version {version} of model '{name}'")
