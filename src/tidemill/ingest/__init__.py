"""From a source to the store: fetch what is new, judge it, keep what is good, record what is missing."""

from tidemill.ingest.bars import PART_BARS, ingest_bars, ingest_range
from tidemill.ingest.jobs import BarFeed, SeriesJob
from tidemill.ingest.market_events import ingest_market_events
from tidemill.ingest.offers import OfferRules, VenueOffers
from tidemill.ingest.posts import ingest_posts, store_posts
from tidemill.ingest.storage import REPAIRED, as_backfilled, note_fetch, store_checked
from tidemill.ingest.stream import StreamPlan, StreamSummary, follow_stream
from tidemill.ingest.values import IngestSummary, failed, status_of, status_of_listing, sum_by_name

__all__ = [
    "PART_BARS",
    "REPAIRED",
    "BarFeed",
    "IngestSummary",
    "OfferRules",
    "SeriesJob",
    "StreamPlan",
    "StreamSummary",
    "VenueOffers",
    "as_backfilled",
    "failed",
    "follow_stream",
    "ingest_bars",
    "ingest_market_events",
    "ingest_posts",
    "ingest_range",
    "note_fetch",
    "status_of",
    "status_of_listing",
    "store_checked",
    "store_posts",
    "sum_by_name",
]
