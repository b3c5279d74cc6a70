"""Binance's spot answers as values of ours."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tidemill.domain.market import from_micros
from tidemill.domain.trading import Fill, OrderState, Side, VenueOrder

STATES = {
    "NEW": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PARTLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "PENDING_CANCEL": OrderState.OPEN,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}


def read_order(instrument: str, info: Mapping[str, Any]) -> VenueOrder:
    """One order as the venue reports it."""
    price = Decimal(info["price"])
    millis = int(info.get("time") or info.get("transactTime") or 0)
    return VenueOrder(
        venue_order_id=str(info["orderId"]),
        client_order_id=str(info.get("origClientOrderId") or info["clientOrderId"]),
        instrument=instrument,
        side=Side(info["side"]),
        state=STATES[info["status"]],
        quantity=Decimal(info["origQty"]),
        filled=Decimal(info["executedQty"]),
        limit_price=price or None,
        placed_at=from_micros(millis * 1000),
    )


def read_fill(instrument: str, info: Mapping[str, Any]) -> Fill:
    """One execution as the venue reports it."""
    return Fill(
        trade_id=str(info["id"]),
        venue_order_id=str(info["orderId"]),
        instrument=instrument,
        side=Side.BUY if info["isBuyer"] else Side.SELL,
        price=Decimal(info["price"]),
        quantity=Decimal(info["qty"]),
        fee=Decimal(info["commission"]),
        fee_asset=str(info["commissionAsset"]),
        traded_at=from_micros(int(info["time"]) * 1000),
    )
