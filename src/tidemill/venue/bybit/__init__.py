"""A second protocol around the same state: Bybit v5 REST for spot, whose order requests are only acknowledged."""

from tidemill.venue.bybit.rest import BybitRest

__all__ = ["BybitRest"]
