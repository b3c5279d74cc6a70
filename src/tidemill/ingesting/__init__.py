"""From a source to the store: fetch what is new, judge it, keep what is good, record what is missing."""

from tidemill.ingesting.bars import PART_BARS, ingest_bars, ingest_range
from tidemill.ingesting.posts import ingest_posts, store_posts
from tidemill.ingesting.records import ingest_records
from tidemill.ingesting.storing import REPAIRED, as_backfilled, note_fetch, store_checked
from tidemill.ingesting.streaming import StreamLog, StreamPlan, follow_stream
from tidemill.ingesting.values import Ingested, failed, mark_listing, mark_of, sum_by_name

__all__ = [
    "PART_BARS",
    "REPAIRED",
    "Ingested",
    "StreamLog",
    "StreamPlan",
    "as_backfilled",
    "failed",
    "follow_stream",
    "ingest_bars",
    "ingest_posts",
    "ingest_range",
    "ingest_records",
    "mark_listing",
    "mark_of",
    "note_fetch",
    "store_checked",
    "store_posts",
    "sum_by_name",
]
