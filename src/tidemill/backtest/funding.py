"""Funding of held positions, settled at its own times between decisions.

Within one instant: bars closed, fills of resting orders, then funding at its time, then the decision. So a settlement
counts what was held at its time, and is in the cash that the next decision sees; the rate itself is no input of any.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from tidemill.backtest.values import BacktestPlan, Settlement
from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument, format_time, to_micros
from tidemill.domain.portfolio import ZERO, CashEvent
from tidemill.execution import Desk
from tidemill.matching import Exchange
from tidemill.recording import Recording
from tidemill.recording.tape import RecordedTape


class Funding:
    """The settlements of one backtest: those after its start, up to and with its end.

    Payment = held quantity x mark x rate, at the close of the finest recorded bar that closed at or before the
    settlement; without such a bar there is none, and it is told. What the cash does not cover is owed: it goes below
    zero until a sale brings it. DataError when two instruments share an asset, so that what is held of it could
    belong to either.
    """

    def __init__(self, recording: Recording, plan: BacktestPlan, tape: RecordedTape) -> None:
        self._instruments = plan.rules.instruments
        self._tape = tape
        self.done: list[Settlement] = []
        funded = [rates for rates in recording.funding if rates.instrument in plan.rules.universe]
        for rates in funded:
            _need_own_asset(
                self._instruments[rates.instrument], [self._instruments[name] for name in plan.rules.universe]
            )
        after, until = max(plan.start, recording.first_open), min(plan.end, recording.last_close)
        self._due = sorted(
            (moment, rates.instrument, rate)
            for rates in funded
            for moment, rate in rates.settlements()
            if after < moment <= until
        )
        self._moments = [moment for moment, _, _ in self._due]
        self._next = 0

    def next_until(self, moment: datetime) -> datetime | None:
        """The time of the next settlement at or before ``moment``, None when there is none."""
        if self._next == len(self._due) or self._moments[self._next] > moment:
            return None
        return self._moments[self._next]

    def settle_next(self, desk: Desk, exchange: Exchange) -> None:
        """Settle everything due at the next time, at the venue and in the ledger."""
        moment = self._moments[self._next]
        while self._next < len(self._due) and self._moments[self._next] == moment:
            _, name, rate = self._due[self._next]
            self._settle(desk, exchange, moment, name, rate)
            self._next += 1

    def _settle(self, desk: Desk, exchange: Exchange, moment: datetime, name: str, rate: Decimal) -> None:
        instrument = self._instruments[name]
        balance = exchange.balances(desk.account).get(instrument.base)
        quantity = balance.total if balance else ZERO
        if not quantity:
            return
        mark = self._tape.close_before(name, moment)
        paid = ZERO if mark is None else exchange.settle_funding(desk.account, name, mark=mark, rate=rate)
        if paid:
            event = _cash_event(desk.account, instrument, moment, paid, f"{rate} of {quantity} at {mark}")
            desk.ledger.record_cash_event(event, stamp=desk.stamp())
        self.done.append(
            Settlement(instrument=name, settled_at=moment, quantity=quantity, rate=rate, mark=mark, paid=paid)
        )


def _cash_event(account: str, instrument: Instrument, moment: datetime, paid: Decimal, how: str) -> CashEvent:
    return CashEvent(
        event_id=f"funding-{account}-{instrument.id}-{to_micros(moment)}",
        account=account,
        asset=instrument.quote,
        amount=-paid,
        kind="funding",
        because=f"funding of {instrument.id} at {format_time(moment)}: {how}",
    )


def _need_own_asset(funded: Instrument, all_of_them: Sequence[Instrument]) -> None:
    for other in all_of_them:
        if other.id != funded.id and funded.base in {other.base, other.quote}:
            raise DataError(
                f"{funded.id} has funding rates, and {other.id} holds {funded.base} as well, so that what is held of "
                f"it cannot be told apart; backtest one of them"
            )
