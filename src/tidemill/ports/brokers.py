"""What a venue does with our orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tidemill.domain.portfolio import Balance
from tidemill.domain.trading import Fill, OrderRequest, Placement, VenueOrder


class OrderBroker(Protocol):
    """Sends orders to a venue."""

    def place_order(self, request: OrderRequest) -> Placement:
        """Send once, never retry; judge by evidence. No exception for anything the wire may do."""
        ...

    def cancel_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """Cancel; None when the venue does not know the order. TransientError when nothing is known."""
        ...

    def fetch_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """The venue's order, or None when the venue says that there is none. TransientError otherwise."""
        ...


class AccountBroker(Protocol):
    """What a venue says of an account; TransientError when it does not answer."""

    def fetch_open_orders(self, instruments: Sequence[str]) -> Sequence[VenueOrder]:
        """Orders that rest now."""
        ...

    def fetch_orders(self, instrument: str, since: datetime) -> Sequence[VenueOrder]:
        """All orders placed since ``since`` (wall time), whatever their state, oldest first."""
        ...

    def fetch_fills(self, instrument: str, after_trade_id: str | None) -> Sequence[Fill]:
        """Fills with a trade id after ``after_trade_id``, ascending; all when None."""
        ...

    def fetch_balances(self) -> Mapping[str, Balance]:
        """Asset -> balance, zero balances left out."""
        ...
