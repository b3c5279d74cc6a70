"""Targets against limits: approved, or cut and refused with the reason. The most cautious limit wins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from tidemill.domain.market import Instrument, ceil_to_step, floor_to_step
from tidemill.domain.portfolio import ZERO, Portfolio, drawdown
from tidemill.domain.trading import TargetPosition, Veto


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds as fractions of equity; ``max_volume_fraction`` is one of the decided bar's volume.

    Gross is all positions together, position one of them, order one change of one. At ``max_drawdown`` (1 - equity /
    peak) and beyond positions are only reduced.
    """

    max_gross_fraction: Decimal
    max_position_fraction: Decimal
    max_order_fraction: Decimal
    max_volume_fraction: Decimal
    max_drawdown: Decimal

    @property
    def version(self) -> str:
        """Short hash of the values: two decisions with the same version obeyed the same limits."""
        return _hash(tuple((name, str(getattr(self, name))) for name in self.__dataclass_fields__))


@lru_cache(maxsize=16)
def _hash(fields: tuple[tuple[str, str], ...]) -> str:
    return hashlib.sha256(json.dumps(dict(fields), sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What may be traded, and every refusal or cut on the way.

    A target whose allowed quantity is what is held already is not among ``targets``.
    """

    targets: tuple[TargetPosition, ...]
    vetoes: tuple[Veto, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One target seen by a limit."""

    target: TargetPosition
    instrument: Instrument
    held: Decimal
    equity: Decimal
    volume: Decimal
    drawdown: Decimal
    gross_ratio: Decimal
    stopped: str


Rule = Callable[[_Case, Limits], tuple[Decimal, str]]


def apply_limits(
    targets: Sequence[TargetPosition],
    portfolio: Portfolio,
    *,
    instruments: Mapping[str, Instrument],
    prices: Mapping[str, Decimal],
    volumes: Mapping[str, Decimal],
    equity: Decimal,
    limits: Limits,
    stopped: Mapping[str, str] | None = None,
) -> Approved:
    """Apply every limit to every target; of all allowed quantities the nearest to what is held wins.

    ``prices`` (decided closes, quote units) cover all instruments held or wanted, ``volumes`` are
    the decided bars' in base units, ``stopped`` maps an instrument to why it may not trade.
    """
    # the gross limit looks at all targets together, the others at one each
    ratio = _gross_ratio(targets, portfolio, instruments, prices, equity, limits)
    fall = drawdown(equity, max(portfolio.peak_equity, equity))
    approved: list[TargetPosition] = []
    vetoes: list[Veto] = []
    for target in targets:
        instrument = instruments[target.instrument]
        case = _Case(
            target=target,
            instrument=instrument,
            held=portfolio.quantity(instrument.base),
            equity=equity,
            volume=volumes.get(target.instrument, ZERO),
            drawdown=fall,
            gross_ratio=ratio,
            stopped=(stopped or {}).get(target.instrument, ""),
        )
        allowed, cuts = _judge(case, limits)
        vetoes.extend(cuts)
        if allowed != case.held:
            approved.append(
                TargetPosition(instrument=target.instrument, quantity=allowed, price=target.price, reason=target.reason)
            )
    return Approved(targets=tuple(approved), vetoes=tuple(vetoes))


def _judge(case: _Case, limits: Limits) -> tuple[Decimal, list[Veto]]:
    """Apply all rules to one target; the allowed quantity nearest to the held one wins."""
    target = case.target.quantity
    allowed = target
    vetoes: list[Veto] = []
    for name, rule in RULES.items():
        bound, reason = rule(case, limits)
        if bound == target:
            continue
        bound = _toward_held(bound, case)
        vetoes.append(Veto(instrument=case.target.instrument, limit=name, reason=reason, wanted=target, allowed=bound))
        if abs(bound - case.held) < abs(allowed - case.held):
            allowed = bound
    return allowed, vetoes


def _toward_held(bound: Decimal, case: _Case) -> Decimal:
    """Whole lots, rounded so that no more is traded than the limit allows; never past what is held, dust or not."""
    if bound == case.held:
        return bound
    if bound > case.held:
        return max(case.held, floor_to_step(bound, case.instrument.lot_step))
    return min(case.held, ceil_to_step(bound, case.instrument.lot_step))


def _check_stopped(case: _Case, limits: Limits) -> tuple[Decimal, str]:
    del limits
    return (case.held, case.stopped) if case.stopped else (case.target.quantity, "")


def _check_drawdown(case: _Case, limits: Limits) -> tuple[Decimal, str]:
    if case.drawdown < limits.max_drawdown or case.target.quantity <= case.held:
        return case.target.quantity, ""
    return case.held, f"drawdown {case.drawdown:.2%} has reached {limits.max_drawdown:.2%}: positions are only reduced"


def _check_position(case: _Case, limits: Limits) -> tuple[Decimal, str]:
    bound = limits.max_position_fraction * case.equity / case.target.price
    if case.target.quantity <= bound:
        return case.target.quantity, ""
    # What is held already is not sold for this limit's sake: a rising price would make it churn.
    return max(bound, min(case.held, case.target.quantity)), f"more than {limits.max_position_fraction:.0%} of equity"


def _check_gross(case: _Case, limits: Limits) -> tuple[Decimal, str]:
    if case.gross_ratio >= 1 or case.target.quantity <= case.held:
        return case.target.quantity, ""
    raised = (case.target.quantity - case.held) * case.gross_ratio
    return case.held + raised, f"all targets together exceed {limits.max_gross_fraction:.0%} of equity"


def _check_order(case: _Case, limits: Limits) -> tuple[Decimal, str]:
    bound = limits.max_order_fraction * case.equity / case.target.price
    return _bounded_change(case, bound, f"one order is at most {limits.max_order_fraction:.0%} of equity")


def _check_volume(case: _Case, limits: Limits) -> tuple[Decimal, str]:
    bound = limits.max_volume_fraction * case.volume
    return _bounded_change(case, bound, f"one order is at most {limits.max_volume_fraction:.0%} of the bar's volume")


def _bounded_change(case: _Case, bound: Decimal, reason: str) -> tuple[Decimal, str]:
    # A share of a debt is below nothing, and would turn a sale into a purchase.
    bound = max(bound, ZERO)
    change = case.target.quantity - case.held
    if abs(change) <= bound:
        return case.target.quantity, ""
    return case.held + (bound if change > 0 else -bound), reason


RULES: Mapping[str, Rule] = {
    "stopped": _check_stopped,
    "drawdown": _check_drawdown,
    "position": _check_position,
    "gross": _check_gross,
    "order": _check_order,
    "volume": _check_volume,
}


def _gross_ratio(
    targets: Sequence[TargetPosition],
    portfolio: Portfolio,
    instruments: Mapping[str, Instrument],
    prices: Mapping[str, Decimal],
    equity: Decimal,
    limits: Limits,
) -> Decimal:
    """Share of all wished raises that fits under the gross limit, given what is held and reduced."""
    quantities = {target.instrument: target.quantity for target in targets}
    base = raises = ZERO
    for name, instrument in instruments.items():
        held = portfolio.quantity(instrument.base)
        target = quantities.get(name, held)
        price = prices.get(name, ZERO)
        base += min(held, target) * price
        raises += max(target - held, ZERO) * price
    room = limits.max_gross_fraction * equity - base
    return Decimal(1) if raises <= room or raises == 0 else max(room, ZERO) / raises
