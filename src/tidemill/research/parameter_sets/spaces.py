"""What a sweep may vary: names, bounds, and a plan with other values in place of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tidemill.backtest import BacktestPlan
from tidemill.domain.errors import DataError

STRATEGY = "strategy"
Params = Mapping[str, float | str]
"""Values by name; ``strategy`` is a name or a file, all others are numbers."""

# name of a parameter -> the part of the plan that holds it, smallest and largest value
PARAMETERS: Mapping[str, tuple[str, float, float]] = {
    "volatility_target_annual": ("sizing", 1e-9, 2.0),
    "max_instrument_fraction": ("sizing", 1e-9, 1.0),
    "buffer_fraction": ("sizing", 0.0, 1.0),
    "max_gross_fraction": ("limits", 1e-9, math.inf),
    "max_position_fraction": ("limits", 1e-9, math.inf),
    "max_order_fraction": ("limits", 1e-9, math.inf),
    "max_volume_fraction": ("limits", 1e-9, math.inf),
    "max_drawdown": ("limits", 1e-9, 1.0),
    "price_cap_fraction": ("rules", 1e-9, 1.0 - 1e-9),
    "slippage": ("fills", 0.0, 1.0 - 1e-9),
    "participation": ("fills", 1e-9, 1.0),
}


def parameter_grid(values: Mapping[str, Sequence[float | str]]) -> Iterator[dict[str, float | str]]:
    """Every combination of the values, the last name turning fastest.

    Without any name there is one combination, the empty one: the plan's own values.
    """
    for combination in itertools.product(*values.values()):
        yield dict(zip(values, combination, strict=True))


def read_values(text: str) -> tuple[str, tuple[float | str, ...]]:
    """``name=v1,v2,...`` as a name and its values; DataError names what is wrong.

    Values of ``strategy`` stay texts, all others are numbers. Bounds are not checked here.
    """
    name, listed = _split(text, "name=value,value,...")
    parts = [part.strip() for part in listed.split(",") if part.strip()]
    if not parts:
        raise DataError(f"'{text}' has no values; write {name}=value,value,...")
    return name, tuple(parts) if name == STRATEGY else tuple(_number(name, part) for part in parts)


def read_range(text: str) -> tuple[str, tuple[float, float]]:
    """``name=low:high`` as a name and its ends, which the search stays between; DataError names what is wrong.

    Both ends are numbers and ``low`` < ``high``. A strategy has no range.
    """
    name, ends = _split(text, "name=low:high")
    low, colon, high = ends.partition(":")
    if not colon or name == STRATEGY:
        raise DataError(f"'{text}' is no range; write name=low:high, with numbers")
    bounds = _number(name, low), _number(name, high)
    if not bounds[0] < bounds[1]:
        raise DataError(f"the range of {name} is empty: {low} is not below {high}")
    return name, bounds


def _split(text: str, form: str) -> tuple[str, str]:
    name, sign, rest = text.partition("=")
    name = name.strip()
    if not sign or not rest.strip():
        raise DataError(f"'{text}' is not understood; write {form}")
    if name != STRATEGY and name not in PARAMETERS:
        raise _unknown(name)
    return name, rest


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{name} takes numbers, not '{text.strip()}'") from None


def _unknown(name: str) -> DataError:
    return DataError(f"there is no parameter '{name}' to sweep; there are {STRATEGY}, {', '.join(PARAMETERS)}")


def check_params(params: Params) -> None:
    """DataError when a name is unknown or a value outside its bounds.

    NaN lies outside any bounds. Types are checked too: a text where a number belongs is refused.
    """
    for name, value in params.items():
        if name == STRATEGY:
            continue
        if name not in PARAMETERS:
            raise _unknown(name)
        _, lowest, highest = PARAMETERS[name]
        if isinstance(value, str) or not lowest <= value <= highest:
            raise DataError(f"{name} {value!r} must lie between {lowest:g} and {highest:g}")


def plan_with(plan: BacktestPlan, params: Params) -> BacktestPlan:
    """``plan`` with the values of ``params`` in place of its own; ``strategy`` is left to who made the plan.

    DataError as of :func:`check_params`.
    """
    check_params(params)
    parts: dict[str, dict[str, Any]] = {"sizing": {}, "limits": {}, "rules": {}, "fills": {}}
    for name, value in params.items():
        if name != STRATEGY:
            part = PARAMETERS[name][0]
            parts[part][name] = float(value) if part == "sizing" else Decimal(repr(float(value)))
    rules = plan.rules
    return replace(
        plan,
        fills=replace(plan.fills, **parts["fills"]),
        rules=replace(
            rules,
            sizing=replace(rules.sizing, **parts["sizing"]),
            limits=replace(rules.limits, **parts["limits"]),
            **parts["rules"],
        ),
    )
