"""X, Reddit and NewsAPI on loopback, served from a recording up to the market clock."""

from tidemill.doubles.server import TextDoubles

__all__ = ["TextDoubles"]
