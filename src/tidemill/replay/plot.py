"""Equity and positions of a run as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Decision


def position_values(decisions: Sequence[Decision]) -> tuple[list[datetime], dict[str, list[float]]]:
    """Value of each position at each decision, in account currency, from the decisions' own records."""
    times: list[datetime] = []
    values: dict[str, list[float]] = {}
    for decision in (decision for decision in decisions if decision.outcome == "decided"):
        record = decision.record
        times.append(decision.as_of)
        for name in record["universe"]:
            base = record["instruments"][name]["base"]
            held = Decimal(record["portfolio"]["assets"].get(base, "0"))
            price = Decimal(record["prices"].get(name, "0"))
            values.setdefault(name, []).append(float(held * price))
    return times, values


def plot_run(
    path: Path, *, equity: Sequence[tuple[datetime, Decimal]], decisions: Sequence[Decision], title: str, currency: str
) -> bytes:
    """Draw equity above and positions below, save as PNG at ``path``, and return the bytes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    times, values = position_values(decisions)
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), sharex=True, height_ratios=(3, 2))
    above.step([when for when, _ in equity], [float(value) for _, value in equity], where="post", color="#1f5f8b")
    above.set_title(title, loc="left", fontsize=11)
    above.set_ylabel(f"equity, {currency}")
    above.grid(alpha=0.3)
    if times:
        _stack(below, times, values)
    below.set_ylabel(f"positions, {currency}")
    below.grid(alpha=0.3)
    figure.autofmt_xdate()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path.read_bytes()


def _stack(axes: object, times: Sequence[datetime], values: Mapping[str, Sequence[float]]) -> None:
    held = {name: series for name, series in values.items() if any(value > float(ZERO) for value in series)}
    if not held:
        return
    axes.stackplot(times, *held.values(), labels=list(held), step="post", alpha=0.8)  # type: ignore[attr-defined]
    axes.legend(loc="upper left", fontsize=8, ncols=3)  # type: ignore[attr-defined]
