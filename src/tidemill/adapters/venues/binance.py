"""Binance spot, and the paper venue, which speaks its protocol."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tidemill.ports.capabilities import Basis, VenueCall, VenueCapability, documented

BINANCE = VenueCapability(
    exchange="binance",
    client_id_parameter="newClientOrderId",
    client_id_rule=documented("1 to 36 of letters, digits, - and _"),
    client_id_pattern=r"[a-zA-Z0-9_-]{1,36}",
    uniqueness=documented("among open orders; accepted again once the first is done"),
    query_after_close=documented("by client order id in any state; a cancel replaces that id"),
    deadline=documented("timestamp + recvWindow, looked at again just before the matching engine"),
    create=VenueCall(
        method="private_post_order",
        path="/order",
        params={"newClientOrderId": "{id}", "timestamp": "{sent_ms}", "recvWindow": "{window_ms}"},
        carries={"newClientOrderId": "{id}", "timestamp": "{sent_ms}", "recvWindow": "{window_ms}"},
    ),
    queries=(
        VenueCall(
            method="private_get_order",
            path="/order",
            params={"symbol": "{raw_symbol}", "origClientOrderId": "{id}"},
            carries={"origClientOrderId": "{id}"},
        ),
    ),
    cancel=VenueCall(
        method="private_delete_order",
        path="/order",
        params={"symbol": "{raw_symbol}", "origClientOrderId": "{id}"},
        carries={"origClientOrderId": "{id}"},
    ),
    sources="Binance's spot API documents; measured on the paper venue",
    answers="binance spot",
    internal_timeout_basis=Basis.DOCUMENTED,
    intercepted=date(2026, 11, 24),
)

PAPER = replace(
    BINANCE,
    exchange="paper",
    internal_timeout_seconds=0.2,
    internal_timeout_basis=Basis.MEASURED,
    margin_seconds=0.3,
    sources="this repository",
    gaps=("it is a simulator and there is nothing live about it",),
    sandbox=date(2026, 11, 24),
)
