"""What carrying out a decision cost: the implementation shortfall of each order.

A paper portfolio would have traded the whole intended quantity Q at the price of the decision, free of charge; the
shortfall is how much less the real one is worth (A. F. Perold, "The implementation shortfall: paper versus
reality", Journal of Portfolio Management 14(3), 1988). Split by cause, after R. Kissell ("The expanded implementation
shortfall", Journal of Trading 1(3), 2006), with s = +1 for a buy and -1 for a sell, decision price D, arrival price A,
fills of q_i at p_i, and final price N:

    delay       = s * sum(q_i) * (A - D)         the market moved before the order was there
    execution   = s * sum(q_i * (p_i - A))       what the fills were worse than the market on arrival
    fees        = what the venue took
    opportunity = s * (Q - sum(q_i)) * (N - D)   what was not bought (or sold) and would have moved
    total       = their sum, in quote units; above 0 a cost

Basis points are of Q * D, the notional that was intended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tidemill.domain.errors import DataError
from tidemill.domain.market import split_instrument_id
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Fill, LedgerOrder, Side

BASIS = Decimal(10_000)
BASIS_STEP = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """The shortfall of one order, in quote units; see the module for the formula.

    ``quantity`` is what was intended and ``filled`` what came of it, in base units; ``paid`` is the value of the fills
    and ``fees`` what the venue took, in quote. Where no arrival price is known, ``delay`` is None and ``execution``
    holds both; where no final price is known, ``opportunity`` is None and counts 0 in the total.
    """

    intent_id: str
    instrument: str
    side: Side
    state: str
    quantity: Decimal
    filled: Decimal
    paid: Decimal
    fees: Decimal
    decision_price: Decimal
    arrival_price: Decimal | None
    final_price: Decimal | None

    @property
    def fill_price(self) -> Decimal | None:
        """Mean price of the fills, None without one."""
        return self.paid / self.filled if self.filled else None

    @property
    def delay(self) -> Decimal | None:
        """What the market moved before the order was there, None where the arrival price is not known."""
        if self.arrival_price is None:
            return None
        return self._sign * self.filled * (self.arrival_price - self.decision_price)

    @property
    def execution(self) -> Decimal:
        """What the fills were worse than the price on arrival, or than the decision's where that is not known."""
        start = self.decision_price if self.arrival_price is None else self.arrival_price
        return self._sign * (self.paid - self.filled * start)

    @property
    def opportunity(self) -> Decimal | None:
        """What the missed rest would have moved; 0 when all was filled, None where the final price is not known."""
        missed = self.quantity - self.filled
        if not missed:
            return ZERO
        return None if self.final_price is None else self._sign * missed * (self.final_price - self.decision_price)

    @property
    def total(self) -> Decimal:
        """Sum of what is known."""
        return (self.delay or ZERO) + self.execution + self.fees + (self.opportunity or ZERO)

    @property
    def basis_points(self) -> Decimal:
        """The total per ten thousand of the intended notional at the decision price."""
        return _basis_points(self.total, self.quantity * self.decision_price)

    @property
    def _sign(self) -> int:
        return 1 if self.side is Side.BUY else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortfallSum:
    """Shortfalls added up; ``notional`` is what was intended at decision prices."""

    orders: int
    notional: Decimal
    delay: Decimal
    execution: Decimal
    fees: Decimal
    opportunity: Decimal

    @property
    def total(self) -> Decimal:
        """Sum of the four."""
        return self.delay + self.execution + self.fees + self.opportunity

    @property
    def basis_points(self) -> Decimal:
        """The total per ten thousand of ``notional``."""
        return _basis_points(self.total, self.notional)


def measure_shortfall(
    order: LedgerOrder,
    fills: Sequence[Fill],
    *,
    decision_price: Decimal,
    arrival_price: Decimal | None,
    final_price: Decimal | None,
) -> Shortfall:
    """The shortfall of ``order`` with its ``fills``; the intended quantity is the intent's, before any reduction.

    Prices are in quote a unit of base: the close decided on, the market's when the order reached the venue, and its
    when the order came to its end; None where there was no bar to take it from. A fee in base counts at its fill's
    price. DataError when the decision price is not positive, or a fee is in
    neither asset of the instrument.
    """
    intent = order.intent
    if not decision_price > 0:
        raise DataError(f"order {intent.intent_id} was decided at {decision_price}; a price is above 0")
    return Shortfall(
        intent_id=intent.intent_id,
        instrument=intent.instrument,
        side=intent.side,
        state=str(order.state),
        quantity=intent.quantity,
        filled=sum((fill.quantity for fill in fills), ZERO),
        paid=sum((fill.quantity * fill.price for fill in fills), ZERO),
        fees=sum((_fee_in_quote(fill) for fill in fills), ZERO),
        decision_price=decision_price,
        arrival_price=arrival_price,
        final_price=final_price,
    )


def sum_shortfalls(shortfalls: Sequence[Shortfall]) -> ShortfallSum:
    """All of them together; what is not known counts 0. They must share one quote asset, which is not checked."""
    return ShortfallSum(
        orders=len(shortfalls),
        notional=sum((shortfall.quantity * shortfall.decision_price for shortfall in shortfalls), ZERO),
        delay=sum((shortfall.delay or ZERO for shortfall in shortfalls), ZERO),
        execution=sum((shortfall.execution for shortfall in shortfalls), ZERO),
        fees=sum((shortfall.fees for shortfall in shortfalls), ZERO),
        opportunity=sum((shortfall.opportunity or ZERO for shortfall in shortfalls), ZERO),
    )


def _fee_in_quote(fill: Fill) -> Decimal:
    # no third asset has a price here, and a shortfall that left its fee out would be too small
    base, quote, _ = split_instrument_id(fill.instrument)
    if fill.fee_asset not in {base, quote}:
        raise DataError(f"the fee of trade {fill.trade_id} is in {fill.fee_asset}, which has no price in {quote} here")
    return fill.fee if fill.fee_asset == quote else fill.fee * fill.price


def _basis_points(total: Decimal, notional: Decimal) -> Decimal:
    return (BASIS * total / notional).quantize(BASIS_STEP) if notional else ZERO
