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
        """Send once, never retry, and judge by evidence.

        Signed with the request's send time and window, never with the clock at the send. Acked when the venue's id and
        ours match; rejected only with the venue's own error code; all else is ``unknown``. There is no exception for
        anything that the wire may do; ConfigurationError when the request was stopped before it left.
        """
        ...

    def cancel_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """Cancel one order by the venue's id, or by ours; the order as the venue then has it.

        None when the venue does not have it, or has it no more: it may have filled first. TransientError when the
        venue does not answer; a second call is safe.
        """
        ...

    def fetch_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """The venue's order by its id, or by ours; None when the venue says that it has none.

        None alone does not prove absence: the request may still be on its way. TransientError without an answer.
        """
        ...


class AccountBroker(Protocol):
    """What a venue says of an account; TransientError when it does not answer."""

    def fetch_open_orders(self, instruments: Sequence[str]) -> Sequence[VenueOrder]:
        """Orders of the instruments that rest now."""
        ...

    def fetch_orders(self, instrument: str, since: datetime) -> Sequence[VenueOrder]:
        """All orders placed since ``since`` (wall time), whatever their state, oldest first."""
        ...

    def fetch_fills(self, instrument: str, after_trade_id: str | None) -> Sequence[Fill]:
        """Fills with a trade id after ``after_trade_id``, ascending by it; all when None."""
        ...

    def fetch_balances(self) -> Mapping[str, Balance]:
        """Asset -> balance, free and locked, in the asset's unit; zero balances are left out."""
        ...
