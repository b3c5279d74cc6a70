"""A running account looked at afterwards: what each order cost beside the paper portfolio of its decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tidemill.decision import load_recorded_instruments
from tidemill.domain.market import Instrument, timeframe_seconds, to_step
from tidemill.domain.trading import Decision, LedgerOrder, OrderState
from tidemill.lineage.explanation import LineageLedger
from tidemill.performance import Shortfall, measure_shortfall
from tidemill.ports import BarStore


def review_orders(
    decisions: Sequence[Decision], *, ledger: LineageLedger, bars: BarStore, now: datetime
) -> list[Shortfall]:
    """The shortfall of every order of ``decisions`` that can come to nothing more: its intent has expired by ``now``.

    The decision price is the recorded close. The arrival price is the open of the stored bar that contains the
    market time at which the order was sent, the final price the close of the newest bar that had closed when the
    intent expired; None where there is no such bar.
    """
    return [
        _review(decision, order, ledger, bars)
        for decision in decisions
        for order in ledger.load_orders(decision_id=decision.decision_id)
        if order.intent.expires_at <= now
    ]


def _review(decision: Decision, order: LedgerOrder, ledger: LineageLedger, bars: BarStore) -> Shortfall:
    name = order.intent.instrument
    instrument = load_recorded_instruments(decision)[name]
    timeframe = str(decision.record["timeframe"])
    sent = _sent_at(order, ledger)
    return measure_shortfall(
        order,
        ledger.load_fills(decision.account, intent_id=order.intent.intent_id),
        decision_price=Decimal(decision.record["prices"][name]),
        arrival_price=_open_around(bars, instrument, timeframe, sent) if sent else None,
        final_price=_close_before(bars, instrument, timeframe, order.intent.expires_at),
    )


def _sent_at(order: LedgerOrder, ledger: LineageLedger) -> datetime | None:
    """Market time of the first send, None for what never left."""
    moves = ledger.load_order_events(order.intent.intent_id)
    return next((move.stamp.market for move in moves if move.state == str(OrderState.SUBMITTING)), None)


def _open_around(bars: BarStore, instrument: Instrument, timeframe: str, moment: datetime) -> Decimal | None:
    length = timedelta(seconds=timeframe_seconds(timeframe))
    rows = bars.read_bars([instrument.id], timeframe, moment - length, moment + timedelta(microseconds=1))
    rows = rows[rows["open_time"] > moment - length]
    return to_step(float(rows["open"].iloc[-1]), instrument.price_step) if len(rows) else None


def _close_before(bars: BarStore, instrument: Instrument, timeframe: str, moment: datetime) -> Decimal | None:
    """Within a week: an older close says nothing of what the order missed."""
    length = timedelta(seconds=timeframe_seconds(timeframe))
    end = moment - length + timedelta(microseconds=1)
    rows = bars.read_bars([instrument.id], timeframe, end - timedelta(days=7), end)
    return to_step(float(rows["close"].iloc[-1]), instrument.price_step) if len(rows) else None
