"""The paper venue: Binance spot's protocol, REST and WebSocket, around matching, on loopback."""

from tidemill.venue.faults import FAULTS
from tidemill.venue.options import UNLIMITED, Limits, VenueOptions
from tidemill.venue.server import VenueServer, serve

__all__ = ["FAULTS", "UNLIMITED", "Limits", "VenueOptions", "VenueServer", "serve"]
