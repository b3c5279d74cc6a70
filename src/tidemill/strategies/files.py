"""A file becomes a strategy."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import DecisionGrid
from tidemill.features import FEATURE_NAMES
from tidemill.forecasting import SHIPPED, View, Wish
from tidemill.ports import FittedModel

DEFAULT_HORIZON = 24
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
Needs = Callable[[DecisionGrid, FittedModel | None], Sequence[str]]
Speaks = Callable[[pd.DataFrame, pd.DatetimeIndex], Any]
Horizon = Callable[[DecisionGrid, FittedModel | None], int]
RESERVED = frozenset({*SHIPPED, "halt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStrategy:
    """A strategy read from a file: ``function`` decides, ``features`` are needed, ``horizon`` is in bars.

    ``speaks_at(bars, points)``, where the file has it, tells a backtest in one call at which points (UTC) of a whole
    period the function would name anything, from bars closed by then alone; the others are passed by.
    """

    name: str
    code_hash: str
    path: Path
    source: str
    function: Callable[[View], Wish]
    features: tuple[str, ...] | Needs
    horizon: int | Horizon
    speaks_at: Speaks | None = None

    def needs(self, grid: DecisionGrid, champion: FittedModel | None) -> Sequence[str]:
        """FEATURES of the file, or what its object says."""
        return self.features(grid, champion) if callable(self.features) else self.features

    def horizon_bars(self, grid: DecisionGrid, champion: FittedModel | None) -> int:
        """HORIZON_BARS of the file, or what its object says."""
        return self.horizon(grid, champion) if callable(self.horizon) else self.horizon

    def decide(self, view: View) -> Wish:
        """What the file's function says."""
        return self.function(view)


def choose_strategy(setting: str) -> tuple[str, FileStrategy | None]:
    """Name and, for a file, the strategy of a setting; ConfigurationError when it is neither.

    ``setting`` is the name of a strategy that ships, or the path of a file that ends in .py.
    """
    if setting in SHIPPED:
        return setting, None
    if not setting.endswith(".py"):
        names = ", ".join(SHIPPED)
        raise ConfigurationError(
            f"strategy '{setting}' is unknown; use {names}, or the path of a file that ends in .py"
        )
    own = load_strategy(Path(setting))
    return own.name, own


def load_strategy(path: Path) -> FileStrategy:
    """Read and run the file, and take ``decide(view)``, FEATURES and HORIZON_BARS from it.

    Instead of the function there may be a class, an instance of which is named ``strategy`` and has
    ``decide``; its attributes ``features`` and ``horizon_bars`` then stand for the constants. Each call
    runs the file anew. ConfigurationError names the file and what is wrong with it.
    """
    try:
        content = path.read_bytes()
        source = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is not UTF-8 ({error.reason})"
        raise ConfigurationError(f"strategy file {path} cannot be read: {reason}") from error
    name = path.stem
    if not NAME.fullmatch(name) or name in RESERVED:
        taken = f"; {', '.join(sorted(RESERVED))} are taken" if name in RESERVED else ""
        raise ConfigurationError(
            f"strategy file {path} must be named in lower case letters, digits and underscores{taken}"
        )
    digest = hashlib.sha256(content).hexdigest()
    module = _run(path, source, f"tidemill_strategy_{name}_{digest[:8]}")
    return _take(path, name, digest, source, module)


def _run(path: Path, source: str, module_name: str) -> ModuleType:
    """Execute what was read, so that the hash is that of the code that runs."""
    module = ModuleType(module_name)
    module.__file__ = str(path)
    # dataclasses and pickles look their module up by name
    sys.modules[module_name] = module
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 -- a strategy is the user's own code
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"strategy file {path} does not run: {type(error).__name__}: {error}") from error
    return module


def _take(path: Path, name: str, digest: str, source: str, module: ModuleType) -> FileStrategy:
    instance: Any = getattr(module, "strategy", None)
    function = getattr(instance, "decide", None) if instance is not None else getattr(module, "decide", None)
    if not callable(function):
        raise ConfigurationError(f"strategy file {path} has neither a function decide(view) nor a 'strategy' with one")
    if instance is None:
        features, horizon = getattr(module, "FEATURES", ()), getattr(module, "HORIZON_BARS", DEFAULT_HORIZON)
    else:
        features = getattr(instance, "needs", getattr(instance, "features", ()))
        horizon = getattr(instance, "horizon_bars", DEFAULT_HORIZON)
    return FileStrategy(
        name=name,
        code_hash=digest,
        path=path,
        source=source,
        function=function,
        features=features if callable(features) else _checked_features(path, features),
        horizon=horizon if callable(horizon) else _checked_horizon(path, horizon),
        speaks_at=getattr(instance or module, "speaks_at", None),
    )


def _checked_features(path: Path, features: object) -> tuple[str, ...]:
    if isinstance(features, str) or not isinstance(features, Sequence):
        raise ConfigurationError(f"strategy file {path}: FEATURES must be a tuple of feature names, not {features!r}")
    unknown = [str(name) for name in features if name not in FEATURE_NAMES]
    if unknown:
        names = ", ".join(FEATURE_NAMES)
        raise ConfigurationError(f"strategy file {path} needs {', '.join(unknown)}, no feature of ours: {names}")
    return tuple(features)


def _checked_horizon(path: Path, horizon: object) -> int:
    if isinstance(horizon, bool) or not isinstance(horizon, int) or horizon < 1:
        raise ConfigurationError(f"strategy file {path}: HORIZON_BARS must be a whole number above 0, not {horizon!r}")
    return horizon
