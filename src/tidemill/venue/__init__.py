"""The paper venue: Binance spot's REST protocol around matching, on loopback."""

from tidemill.venue.server import VenueServer, serve
from tidemill.venue.state import VenueOptions

__all__ = ["VenueOptions", "VenueServer", "serve"]
