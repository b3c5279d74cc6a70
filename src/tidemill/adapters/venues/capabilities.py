"""What each venue can promise about an order: closed by default for live trading.

A row is open only when nothing is missing from it: its request was intercepted, no fact rests on memory, the
venue itself refuses what comes late, and create, query and cancel passed on its sandbox, with the date.
"""

from __future__ import annotations

from tidemill.adapters.venues import ROWS
from tidemill.domain.errors import ConfigurationError
from tidemill.ports.capabilities import Basis, Fact, VenueCall, VenueCapability

__all__ = ["CAPABILITIES", "Basis", "Fact", "VenueCall", "VenueCapability", "capability", "check_live"]

CAPABILITIES: dict[str, VenueCapability] = {row.exchange: row for row in ROWS}


def capability(exchange: str) -> VenueCapability:
    """The row of a venue; ConfigurationError when there is none."""
    try:
        return CAPABILITIES[exchange]
    except KeyError:
        names = ", ".join(CAPABILITIES)
        raise ConfigurationError(
            f"exchange '{exchange}' has no row in the capability table, which has {names}; add one first"
        ) from None


def check_live(exchange: str) -> None:
    """Refuse live trading on a venue whose row is not verified; the sentence says what is missing."""
    row = capability(exchange)
    if row.verified is None:
        raise ConfigurationError(
            f"live trading on {exchange} is refused: {'; '.join(row.missing)}; "
            "use mode paper, and see docs/venues.md for what opens a row"
        )
