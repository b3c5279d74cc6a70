"""What the stages ask of the world: small synchronous Protocols, each with a contract suite.

Bulk data are DataFrames with fixed columns; all times are ``datetime64[us, UTC]``.

BARS     instrument, open_time, open, high, low, close, volume, knowledge_time, assumed
         (float64 prices in quote units, volume in base units, never NaN; reads add stored_at)
POSTS    source, post_id, channel, event_time, knowledge_time, assumed, title, text
SCORES   source, post_id, scorer, score, subjects, event_time, knowledge_time
         (score in [-1, +1]; subjects: comma-separated base assets that the post names, "" = the market)
GAPS     instrument, timeframe, start, end, missing, cause  ([start, end) of open times), as one check sees them
QUARANTINE  BARS with timeframe, reason, source (which step met it) and payload_hash (see
         ``quality.hash_bars``); open_time, prices and volume may be missing: that may be the reason.
         Reads add stored_at, released_at (NaT while it stands) and because

RECORDS  by kind, see ``domain.records``: instrument, event_time, texts and float64 numbers of the kind, knowledge_time,
         assumed; never NaN (reads add stored_at)

event_time of a bar is its close, open_time + timeframe, so it is not stored twice.
"""

from tidemill.ports.brokers import AccountBroker, OrderBroker
from tidemill.ports.clocks import Clock, Sleep, TimeSource
from tidemill.ports.evidence import PAYLOADS_REFERENCED, EvidenceStore, PayloadPruning, Pruned, StoredPayload
from tidemill.ports.frames import BAR_COLUMNS, GAP_COLUMNS, POST_COLUMNS, QUARANTINE_COLUMNS, SCORE_COLUMNS
from tidemill.ports.gaps import FetchLog, GapLedger, GapRecords, QuarantineStore, SeriesStatusStore
from tidemill.ports.ledgers import (
    AccountLedger,
    DecisionLedger,
    FillLedger,
    FreezeStore,
    LeaseStore,
    Ledger,
    OrderLedger,
)
from tidemill.ports.models import FittedModel, ModelRegistry
from tidemill.ports.sources import (
    BarTape,
    MarketEventSource,
    MarketSource,
    MarketStream,
    PostSource,
    RateBudgets,
    StreamPart,
)
from tidemill.ports.stores import BarStore, MarketEventStore, MarketStore, PostStore, SnapshotStore, StoreHealth

__all__ = [
    "BAR_COLUMNS",
    "GAP_COLUMNS",
    "PAYLOADS_REFERENCED",
    "POST_COLUMNS",
    "QUARANTINE_COLUMNS",
    "SCORE_COLUMNS",
    "AccountBroker",
    "AccountLedger",
    "BarStore",
    "BarTape",
    "Clock",
    "DecisionLedger",
    "EvidenceStore",
    "FetchLog",
    "FillLedger",
    "FittedModel",
    "FreezeStore",
    "GapLedger",
    "GapRecords",
    "LeaseStore",
    "Ledger",
    "MarketEventSource",
    "MarketEventStore",
    "MarketSource",
    "MarketStore",
    "MarketStream",
    "ModelRegistry",
    "OrderBroker",
    "OrderLedger",
    "PayloadPruning",
    "PostSource",
    "PostStore",
    "Pruned",
    "QuarantineStore",
    "RateBudgets",
    "SeriesStatusStore",
    "Sleep",
    "SnapshotStore",
    "StoreHealth",
    "StoredPayload",
    "StreamPart",
    "TimeSource",
]
