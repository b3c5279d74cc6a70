"""What an account's user data stream tells: execution reports, then the balances that they changed.

Shapes and one-letter names are those of the page "User Data Stream". An event is built when it is sent, so the balances
in it are those of that moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO, Balance
from tidemill.domain.trading import OrderState, OrderType, TimeInForce
from tidemill.matching import SimOrder, SimTrade
from tidemill.venue.parameters import to_millis
from tidemill.venue.shapes import number, status_of, type_of

Event = dict[str, Any]
NOTHING = "0.00000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One step of an order's life: NEW, TRADE (with its trade), EXPIRED or CANCELED.

    ``order`` is as it stood at this step, ``original_id`` the client order id that a cancelled order had before.
    """

    kind: str
    order: SimOrder
    trade: SimTrade | None = None
    original_id: str = ""

    @property
    def is_first_fill(self) -> bool:
        """Whether the order had not traded before."""
        return self.kind == "TRADE" and len(self.order.trades) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvents:
    """Reports that belong together, told when the journal has written ``written`` calls.

    They wait in the venue's outbox until then: nobody may hear of a fill that a crash could undo.
    """

    account: str
    reports: tuple[Report, ...]
    written: int = 0

    @classmethod
    def of_new(cls, order: SimOrder) -> Self:
        """A new order with the fills of its arrival, and its end when nothing rests.

        The exchange tells NEW first, whatever happened after, so the order is shown as it was before its fills.
        """
        reports = [Report(kind="NEW", order=_as_of(order, 0))]
        reports += [
            Report(kind="TRADE", order=_as_of(order, count), trade=trade)
            for count, trade in enumerate(order.trades, start=1)
        ]
        if order.state is OrderState.EXPIRED:
            reports.append(Report(kind="EXPIRED", order=order))
        return cls(account=order.account, reports=tuple(reports))

    @classmethod
    def of_trade(cls, trade: SimTrade, order: SimOrder) -> Self:
        """A fill of an order that rested.

        ``order`` may have filled further since; it is shown as it stood after this trade.
        """
        count = next(at for at, earlier in enumerate(order.trades, start=1) if earlier.trade_id == trade.trade_id)
        return cls(account=trade.account, reports=(Report(kind="TRADE", order=_as_of(order, count), trade=trade),))

    @classmethod
    def of_cancel(cls, order: SimOrder, original_id: str) -> Self:
        """A cancelled order under its new client order id.

        ``original_id`` goes into the field ``C``, the new id into ``c``: clients match a cancel by ``C``.
        """
        return cls(account=order.account, reports=(Report(kind="CANCELED", order=order, original_id=original_id),))

    def after(self, written: int) -> Self:
        """The same, to be told when so many calls are on disk.

        ``written`` counts the calls of the journal since the venue started.
        """
        return replace(self, written=written)


def _as_of(order: SimOrder, trades: int) -> SimOrder:
    """The order as it stood after its first ``trades`` trades."""
    earlier = order.trades[:trades]
    filled = sum((trade.quantity for trade in earlier), ZERO)
    state = OrderState.FILLED if filled == order.ticket.quantity else OrderState.PARTLY_FILLED
    return replace(
        order,
        trades=earlier,
        filled=filled,
        quote_filled=sum((trade.quantity * trade.price for trade in earlier), ZERO),
        state=state if trades else OrderState.OPEN,
    )


def build_events(
    account_events: AccountEvents, instruments: Mapping[str, Instrument], balances: Mapping[str, Balance], now: datetime
) -> list[Event]:
    """The stream's events, in order: every report, then one position event with the assets concerned.

    ``balances`` are those of the account as they are; ``now`` is the wall clock.
    """
    events: list[Event] = []
    assets: dict[str, None] = {}
    for report in account_events.reports:
        instrument = instruments[report.order.ticket.instrument]
        events.append(_report_event(report, instrument.base + instrument.quote, now))
        assets |= dict.fromkeys((instrument.base, instrument.quote))
        if report.trade is not None:
            # A fee may be paid in a third asset, whose balance has changed as well.
            assets[report.trade.fee_asset] = None
    return [*events, _position_event(list(assets), balances, now)]


def _position_event(assets: list[str], balances: Mapping[str, Balance], now: datetime) -> Event:
    rows = []
    for asset in assets:
        balance = balances.get(asset)
        rows.append({"a": asset, "f": number(balance.free) if balance else NOTHING, "l": _locked(balance)})
    return {"e": "outboundAccountPosition", "E": to_millis(now), "u": to_millis(now), "B": rows}


def _locked(balance: Balance | None) -> str:
    return number(balance.locked) if balance else NOTHING


def _report_event(report: Report, symbol: str, now: datetime) -> Event:
    """One executionReport with the exchange's one-letter names."""
    order, ticket = report.order, report.order.ticket
    event: Event = {
        "e": "executionReport",
        "E": to_millis(now),
        "s": symbol,
        "c": order.client_order_id,
        "S": str(ticket.side),
        "o": type_of(ticket.order_type),
        "f": str(ticket.time_in_force),
        "q": number(ticket.quantity),
        "p": number(ticket.limit_price or Decimal(0)),
        "P": number(ticket.stop_price or Decimal(0)),
        "F": NOTHING,
        "g": -1,
        "C": report.original_id,
        "x": report.kind,
        "X": status_of(order.state),
        "r": "NONE",
        "i": order.order_id,
        "z": number(order.filled),
        "T": to_millis(report.trade.wall_time if report.trade else order.updated_wall),
        # How the exchange counts these is not documented; order and number of trades make one that clients can sort by.
        "I": order.order_id * 1000 + len(order.trades),
        "w": order.state in {OrderState.OPEN, OrderState.PARTLY_FILLED} and order.triggered,
        "M": False,
        "O": to_millis(order.placed_wall),
        "Z": number(order.quote_filled),
        "Q": number(ticket.quote_quantity or Decimal(0)),
        "W": to_millis(order.placed_wall),
        "V": "NONE",
    }
    if report.kind == "EXPIRED":
        event["eR"] = _expiry_reason(order)
    return event | _last_execution(report.trade)


def _last_execution(trade: SimTrade | None) -> Event:
    if trade is None:
        return {"l": NOTHING, "L": NOTHING, "n": "0", "N": None, "t": -1, "m": False, "Y": NOTHING}
    return {
        "l": number(trade.quantity),
        "L": number(trade.price),
        "n": number(trade.fee),
        "N": trade.fee_asset,
        "t": trade.trade_id,
        "m": trade.is_maker,
        "Y": number(trade.quantity * trade.price),
    }


def _expiry_reason(order: SimOrder) -> str:
    if order.ticket.order_type is OrderType.MARKET:
        return "INSUFFICIENT_LIQUIDITY"
    fok = order.ticket.time_in_force is TimeInForce.FOK
    return "UNFILLED_FOK_ORDER_EXPIRED" if fok else "UNFILLED_IOC_QUANTITY_EXPIRED"
