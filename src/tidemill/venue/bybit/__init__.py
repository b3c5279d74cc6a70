"""A second protocol around the same state: Bybit v5 REST for spot, whose order requests are only acknowledged.

It shares exchange, journal, faults and prices with the first protocol, and differs where clients stumble: order ids and
texts, statuses of 200 with an error inside, and answers that come before the order is seen by queries.
"""

from tidemill.venue.bybit.rest import BybitRest

__all__ = ["BybitRest"]
