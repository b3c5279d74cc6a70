"""The paper venue: Binance spot's protocol, REST and WebSocket, around matching, on loopback.

The sources are Binance's spot API documentation and, for the second protocol, Bybit's v5 API documentation; modules
name the page by its title. What no recording has, such as single trades or books, is made from bars, and said so.
"""

from tidemill.venue.faults import FAULTS
from tidemill.venue.options import UNLIMITED, Limits, VenueOptions
from tidemill.venue.server import VenueServer, serve

__all__ = ["FAULTS", "UNLIMITED", "Limits", "VenueOptions", "VenueServer", "serve"]
