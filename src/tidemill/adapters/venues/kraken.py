"""Kraken spot."""

from __future__ import annotations

from datetime import date

from tidemill.ports.capabilities import (
    BY_ORDER,
    NO_SANDBOX,
    OF_SYMBOL,
    UNIFIED,
    VenueCall,
    VenueCapability,
    documented,
    remembered,
)

KRAKEN = VenueCapability(
    exchange="kraken",
    client_id_parameter="cl_ord_id",
    client_id_rule=documented("a UUID, or free text of at most 18 characters"),
    client_id_pattern=r"[a-zA-Z0-9]{1,18}",
    uniqueness=documented("among open orders"),
    query_after_close=documented("lists of open and of closed orders by client order id"),
    deadline=remembered("deadline, an absolute time in the body"),
    create=VenueCall(
        method="create_order",
        path="/private/AddOrder",
        params=UNIFIED | {"deadline": "{until_iso}"},
        carries={"cl_ord_id": "{id}", "deadline": "{until_iso}"},
    ),
    # fetch_order would send the id as userref, together with txid=None
    queries=tuple(
        VenueCall(
            method=method,
            path=path,
            arguments=OF_SYMBOL,
            params=UNIFIED,
            carries={"cl_ord_id": "{id}"},
        )
        for method, path in (
            ("fetch_open_orders", "/private/OpenOrders"),
            ("fetch_closed_orders", "/private/ClosedOrders"),
        )
    ),
    cancel=VenueCall(
        method="cancel_order",
        path="/private/CancelOrder",
        arguments=BY_ORDER,
        params=UNIFIED,
        carries={"cl_ord_id": "{id}"},
    ),
    sources="docs.kraken.com (client order identifiers); ccxt's requests intercepted",
    amounts=("volume", "price"),
    gaps=(NO_SANDBOX,),
    intercepted=date(2026, 11, 24),
)
