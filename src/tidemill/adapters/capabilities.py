"""What each venue can promise about an order: closed by default for live trading.

A row is open only when its request was intercepted and create, query and cancel passed on the venue's own
sandbox, with the date. ``missing`` says what is still to be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.trading import OrderTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCapability:
    """One venue's row.

    ``client_id_parameter`` is what ccxt must be given; ``client_id_pattern`` what the venue accepts;
    ``uniqueness`` when a client order id may return; ``query_after_close`` how an order that is done is found;
    ``deadline`` how a late request is refused by the venue itself (empty: it cannot be).
    """

    exchange: str
    client_id_parameter: str
    client_id_pattern: str
    uniqueness: str
    query_after_close: str
    deadline: str
    window_ms: int = 5000
    internal_timeout_seconds: float = 10.0
    margin_seconds: float = 2.0
    verified: date | None = None
    missing: str = ""

    def timing(self) -> OrderTiming:
        """Waits that prove absence: window + the venue's internal timeout + margin."""
        window = self.window_ms / 1000
        return OrderTiming(
            window_ms=self.window_ms, settle_seconds=window + self.internal_timeout_seconds + self.margin_seconds
        )


NOT_ON_SANDBOX = "create, query and cancel have not passed on its sandbox"

CAPABILITIES: dict[str, VenueCapability] = {
    row.exchange: row
    for row in (
        VenueCapability(
            exchange="paper",
            client_id_parameter="clientOrderId",
            client_id_pattern=r"[a-zA-Z0-9-_]{1,36}",
            uniqueness="among open orders",
            query_after_close="by client order id in any state",
            deadline="timestamp + recvWindow",
            internal_timeout_seconds=0.2,
            margin_seconds=0.3,
            missing="it is a simulator; there is nothing live about it",
        ),
        VenueCapability(
            exchange="binance",
            client_id_parameter="clientOrderId",
            client_id_pattern=r"[a-zA-Z0-9-_]{1,36}",
            uniqueness="among open orders",
            query_after_close="by client order id in any state, until it is cancelled",
            deadline="timestamp + recvWindow",
            missing=NOT_ON_SANDBOX,
        ),
        VenueCapability(
            exchange="bybit",
            client_id_parameter="orderLinkId",
            client_id_pattern=r"[a-zA-Z0-9-_]{1,36}",
            uniqueness="always",
            query_after_close="500 newest, then the history; create is only an asynchronous ack",
            deadline="X-BAPI-RECV-WINDOW, signed with the client's own clock",
            missing=f"signing with the stored send time, and {NOT_ON_SANDBOX}",
        ),
        VenueCapability(
            exchange="okx",
            client_id_parameter="clOrdId",
            client_id_pattern=r"[a-zA-Z0-9]{1,32}",
            uniqueness="the latest of an id is returned",
            query_after_close="an unfilled cancelled order is kept two hours",
            deadline="expTime header",
            missing=f"the expTime header, and {NOT_ON_SANDBOX}",
        ),
        VenueCapability(
            exchange="kraken",
            client_id_parameter="clientOrderId",
            client_id_pattern=r"[a-zA-Z0-9-]{1,18}",
            uniqueness="among open orders",
            query_after_close="lists of open and closed orders by client order id",
            deadline="deadline",
            missing=f"a query by client order id that works, and {NOT_ON_SANDBOX}",
        ),
        VenueCapability(
            exchange="coinbase",
            client_id_parameter="client_order_id",
            client_id_pattern=r"[0-9a-f-]{36}",
            uniqueness="unknown",
            query_after_close="lists of orders, filtered",
            deadline="",
            missing="it has no deadline parameter, so a request that wakes up late cannot be refused by the venue",
        ),
        VenueCapability(
            exchange="kucoin",
            client_id_parameter="clientOid",
            client_id_pattern=r"[a-zA-Z0-9-_]{1,40}",
            uniqueness="refused when repeated",
            query_after_close="by client order id",
            deadline="",
            missing=f"a verified deadline parameter, and {NOT_ON_SANDBOX}",
        ),
        VenueCapability(
            exchange="gate",
            client_id_parameter="text",
            client_id_pattern=r"t-[a-zA-Z0-9-_.]{1,26}",
            uniqueness="unknown",
            query_after_close="only by the venue's id once it is finished",
            deadline="x-gate-exptime header",
            missing=f"a query by our id after the order is finished, and {NOT_ON_SANDBOX}",
        ),
        VenueCapability(
            exchange="bitget",
            client_id_parameter="clientOid",
            client_id_pattern=r"[a-zA-Z0-9-_]{1,64}",
            uniqueness="unknown",
            query_after_close="by client order id for unfilled orders only",
            deadline="receiveWindow, signed with the client's own clock",
            missing=f"signing with the stored send time, and {NOT_ON_SANDBOX}",
        ),
        VenueCapability(
            exchange="mexc",
            client_id_parameter="clientOrderId",
            client_id_pattern=r"[a-zA-Z0-9-_]{1,32}",
            uniqueness="unknown",
            query_after_close="unknown",
            deadline="recvWindow",
            missing=f"how long orders can be queried, and {NOT_ON_SANDBOX}",
        ),
    )
}


def capability(exchange: str) -> VenueCapability:
    """The row of a venue; ConfigurationError when there is none."""
    try:
        return CAPABILITIES[exchange]
    except KeyError:
        known = ", ".join(CAPABILITIES)
        raise ConfigurationError(
            f"exchange '{exchange}' has no row in the capability table, which has {known}; add one first"
        ) from None


def check_live(exchange: str) -> None:
    """Refuse live trading on a venue whose row is not verified; the sentence says what is missing."""
    row = capability(exchange)
    if row.verified is None:
        raise ConfigurationError(f"live trading on {exchange} is refused: {row.missing}")
