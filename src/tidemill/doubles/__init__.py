"""X, Reddit and NewsAPI on loopback, served from a recording up to the market clock.

Tests, the demo and replays read them through the same adapters that read the real sites, so that keys, quotas, pages
and outages are exercised without a network. No text of a real account is in them but what the recording holds.
"""

from tidemill.doubles.server import TextDoubles, TextKeys

__all__ = ["TextDoubles", "TextKeys"]
