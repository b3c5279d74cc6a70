"""X, Reddit and NewsAPI on loopback, served from a recording up to the market clock."""

from tidemill.doubles.server import TextDoubles, TextKeys

__all__ = ["TextDoubles", "TextKeys"]
