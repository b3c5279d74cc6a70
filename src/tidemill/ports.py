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

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from tidemill.domain.budgets import Block, BudgetRule
from tidemill.domain.gaps import Fetch, Hole, HoleEvent
from tidemill.domain.market import Bar, Calendar, Instrument, Stamp
from tidemill.domain.portfolio import Account, Balance, CashEvent, Portfolio
from tidemill.domain.records import RecordKind
from tidemill.domain.series import MarkEvent, SeriesMark
from tidemill.domain.trading import (
    Decision,
    Fill,
    Freeze,
    LedgerOrder,
    OrderIntent,
    OrderRequest,
    OrderState,
    Placement,
    VenueOrder,
)

BAR_COLUMNS = ("instrument", "open_time", "open", "high", "low", "close", "volume", "knowledge_time", "assumed")
POST_COLUMNS = ("source", "post_id", "channel", "event_time", "knowledge_time", "assumed", "title", "text")
SCORE_COLUMNS = ("source", "post_id", "scorer", "score", "subjects", "event_time", "knowledge_time")
GAP_COLUMNS = ("instrument", "timeframe", "start", "end", "missing", "cause")
QUARANTINE_COLUMNS = ("timeframe", *BAR_COLUMNS, "reason", "source", "payload_hash")


PAYLOADS_REFERENCED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a pruning did: payloads deleted and their bytes on disk, and how many older ones were kept for decisions."""

    deleted: int
    bytes: int
    kept: int


class Clock(Protocol):
    """Tells the time; the only way to it below a flow."""

    def now(self) -> datetime:
        """The moment, aware UTC."""
        ...


class MarketSource(Protocol):
    """Where bars come from."""

    def fetch_instruments(self) -> Sequence[Instrument]:
        """Everything tradable there, with its steps."""
        ...

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """BARS with ``start`` <= open_time < ``end`` that have closed, ascending; may be empty.

        TransientError when the source is down or out of quota; DataError for an instrument or
        timeframe that it does not have.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamPart:
    """What a stream told of one instrument: BARS that have closed, or trades (RECORDS), or that it was cut and why.

    Nothing of all this: some time has passed.
    """

    instrument: str = ""
    bars: pd.DataFrame | None = None
    trades: pd.DataFrame | None = None
    broken: str = ""


class MarketStream(Protocol):
    """Where bars come from as they close."""

    def watch(self, instruments: Sequence[str], timeframe: str, *, seconds: float) -> Iterator[StreamPart]:
        """Parts as they come, for ``seconds`` of the wall clock, at least one a second.

        A cut is told and the stream joined again; what happened between is not told afterwards. DataError for an
        instrument or timeframe that the venue does not have.
        """
        ...

    def close(self) -> None:
        """Leave it."""
        ...


@runtime_checkable
class TimeSource(Protocol):
    """A source that tells its own clock."""

    def fetch_time(self) -> datetime:
        """The venue's time, aware UTC."""
        ...


class BarTape(Protocol):
    """Recorded bars as matching reads them: exact, and only of an instrument's finest timeframe."""

    def bar_at(self, instrument: str, moment: datetime) -> Bar | None:
        """The bar with open_time <= ``moment`` < close_time, or None."""
        ...

    def bars_closed(self, instrument: str, after: datetime, until: datetime) -> Sequence[Bar]:
        """Bars with ``after`` < close_time <= ``until``, ascending."""
        ...

    def is_down(self, moment: datetime) -> bool:
        """Whether no recorded bar of any instrument contains ``moment``: a hole, the venue is down."""
        ...


class PostSource(Protocol):
    """Where posts come from."""

    @property
    def source(self) -> str:
        """``x``, ``reddit`` or ``news``."""
        ...

    def fetch_posts(self, start: datetime, end: datetime) -> pd.DataFrame:
        """POSTS with ``start`` <= event_time < ``end``, ascending; may be empty.

        TransientError when the source is down or out of quota (with ``retry_after_seconds`` where told);
        ConfigurationError when a key is missing or refused.
        """
        ...


class BarStore(Protocol):
    """Bars with their revisions."""

    def write_bars(self, timeframe: str, bars: pd.DataFrame, *, now: datetime) -> int:
        """Store BARS atomically; return the rows added.

        An equal row adds nothing, a changed one adds a revision, NaN in any column is a DataError and
        nothing is written. stored_at of all rows is max(``now``, last stored_at + 1 us), assigned
        inside the transaction.
        """
        ...

    def read_bars(
        self,
        instruments: Sequence[str],
        timeframe: str,
        start: datetime,
        end: datetime,
        *,
        known_at: datetime | None = None,
        stored_until: int | None = None,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """BARS + stored_at with ``start`` <= open_time < ``end``, by (instrument, open_time, stored_at).

        Of each bar the newest revision with knowledge_time <= ``known_at`` and stored_at <=
        ``stored_until`` (micros, see ``watermark``); all such revisions when ``revisions``.
        """
        ...

    def latest_open(self, instrument: str, timeframe: str) -> datetime | None:
        """Open time of the newest stored bar, or None."""
        ...

    def watermark(self) -> int:
        """The newest stored_at of any table in this store, in micros; 0 when empty."""
        ...


class PostStore(Protocol):
    """Posts and scores."""

    def write_posts(self, posts: pd.DataFrame, *, now: datetime) -> int:
        """Store POSTS atomically by (source, post_id); equal rows add nothing, edits add a revision."""
        ...

    def read_posts(
        self, start: datetime, end: datetime, *, known_at: datetime | None = None, stored_until: int | None = None
    ) -> pd.DataFrame:
        """POSTS + stored_at with ``start`` <= event_time < ``end``, newest revision known, by (event_time, post_id)."""
        ...

    def write_scores(self, scores: pd.DataFrame, *, now: datetime) -> int:
        """Store SCORES atomically by (source, post_id, scorer); rules as for bars."""
        ...

    def read_scores(
        self,
        scorer: str,
        start: datetime,
        end: datetime,
        *,
        known_at: datetime | None = None,
        stored_until: int | None = None,
    ) -> pd.DataFrame:
        """SCORES + stored_at of ``scorer`` with ``start`` <= event_time < ``end``, by (event_time, post_id)."""
        ...


class EvidenceStore(Protocol):
    """Raw payloads."""

    def write_payload(self, source: str, request: str, body: bytes, *, now: datetime) -> str:
        """Keep a raw answer compressed; return its SHA-256 hex digest. The same body is kept once."""
        ...

    def write_payloads(self, answers: Sequence[tuple[str, str, bytes]], *, now: datetime) -> Sequence[str]:
        """The same for several (source, request, body) at once, all of them or none; their digests."""
        ...

    def read_payload(self, digest: str) -> bytes | None:
        """The body of ``digest``, or None."""
        ...


class PayloadPruning(Protocol):
    """Raw payloads that may go."""

    def prune_payloads(self, *, before: datetime, watermarks: Sequence[int]) -> Pruned:
        """Delete payloads stored before ``before`` that nothing references.

        Referenced are, per source, the newest ``PAYLOADS_REFERENCED`` stored at each of ``watermarks`` (those of
        the recorded decisions) and at ``before``: what a decision of now or later can still point to.
        """
        ...


class SnapshotStore(Protocol):
    """Frames kept exactly as they were."""

    def write_snapshot(self, frame: pd.DataFrame) -> str:
        """Keep a frame for good; the SHA-256 of its file. TransientError when it cannot be written."""
        ...

    def read_snapshot(self, digest: str) -> pd.DataFrame:
        """The frame again; DataError when there is none, or when the file is not what was written."""
        ...


class GapLedger(Protocol):
    """Holes in series of bars, each with its whole history."""

    def record_holes(self, holes: Sequence[Hole], *, now: datetime) -> int:
        """Append a line per hole, atomically; one equal to the hole's newest line adds nothing. Lines added."""
        ...

    def load_holes(
        self, instruments: Sequence[str] | None = None, timeframe: str | None = None, *, every: bool = False
    ) -> Sequence[Hole]:
        """The newest line of each hole that is missing still (``every``: of all), by (instrument, timeframe, start)."""
        ...

    def load_hole_events(self, instrument: str, timeframe: str) -> Sequence[HoleEvent]:
        """Every line of the series' holes, by (start, stored_at)."""
        ...


class FetchLog(Protocol):
    """What was asked of sources and answered: without it our own outages look like the venue's."""

    def record_fetch(self, fetch: Fetch, *, now: datetime) -> None:
        """Keep that the source answered for the range. A fetch that failed is not recorded."""
        ...

    def load_fetches(self, instrument: str, timeframe: str, *, since: datetime | None = None) -> Sequence[Fetch]:
        """Answered ranges that end after ``since``, oldest answer first."""
        ...

    def list_series(self) -> Sequence[tuple[str, str, Calendar]]:
        """Every (instrument, timeframe, calendar) that was ever fetched, in order."""
        ...


class QuarantineStore(Protocol):
    """Bars that failed a check; none of them is among the bars that are read to decide or to train."""

    def write_quarantine(self, bars: pd.DataFrame, *, now: datetime) -> int:
        """Keep QUARANTINE atomically, once by (instrument, timeframe, payload_hash). Return the rows added."""
        ...

    def read_quarantine(
        self,
        instruments: Sequence[str] | None = None,
        timeframe: str | None = None,
        *,
        stored_until: int | None = None,
        every: bool = False,
    ) -> pd.DataFrame:
        """QUARANTINE that stood at ``stored_until`` (micros; now when None), by (instrument, open_time, hash).

        ``every`` adds what was released by then.
        """
        ...

    def release_bars(self, instrument: str, timeframe: str, open_time: datetime, *, because: str, now: datetime) -> int:
        """Release all that stands for the slot, with the reason; return how many. DataError without a reason."""
        ...


class GapRecords(GapLedger, FetchLog, QuarantineStore, Protocol):
    """The whole ledger of what is missing or refused."""


class RecordSource(Protocol):
    """Where trades, books, funding rates, open interest, or splits and dividends come from."""

    @property
    def kinds(self) -> Sequence[RecordKind]:
        """What can be had there."""
        ...

    def fetch_records(self, kind: RecordKind, instrument: str, start: datetime, end: datetime) -> pd.DataFrame:
        """RECORDS of ``kind`` with ``start`` <= event_time < ``end``, ascending; may be empty.

        Of books the one that stands now, whatever the range. TransientError when the source is down or out of
        quota; DataError for an instrument or kind that it does not have.
        """
        ...


class RecordStore(Protocol):
    """Records with their revisions."""

    def write_records(self, kind: RecordKind, records: pd.DataFrame, *, now: datetime) -> int:
        """Store RECORDS atomically; return the rows added. The rules are those of bars."""
        ...

    def read_records(
        self,
        kind: RecordKind,
        instruments: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        known_at: datetime | None = None,
        stored_until: int | None = None,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """RECORDS + stored_at with ``start`` <= event_time < ``end``, by (instrument, event_time, key, stored_at).

        Which revision counts is told as for bars.
        """
        ...

    def latest_event(self, kind: RecordKind, instrument: str) -> datetime | None:
        """event_time of the newest stored record, or None."""
        ...


class RateBudgets(Protocol):
    """One line of moments per venue at which all processes together may send."""

    def lease_block(self, name: str, owner: str, rule: BudgetRule, units: float, *, now: datetime) -> Block:
        """The next free ``units`` of the line, for ``owner`` alone: no other lease ever overlaps them.

        They begin now, up to the burst earlier after a pause, or later when others leased before. Nothing is
        given back: what its owner does not spend in time is lost with it. ``now`` is wall time.
        """
        ...

    def pause(self, name: str, seconds: float, *, now: datetime) -> None:
        """Begin no lease sooner than ``seconds`` from ``now``: the venue asked for it."""
        ...


class SeriesMarks(Protocol):
    """The state of each series, with its history."""

    def record_mark(self, mark: SeriesMark, *, now: datetime) -> bool:
        """Append the mark; False when it equals the series' newest one, or is the first and says that all is fine."""
        ...

    def load_marks(self, instruments: Sequence[str] | None = None) -> Sequence[SeriesMark]:
        """The newest mark of each series, by (instrument, timeframe)."""
        ...

    def load_mark_events(self, instrument: str, timeframe: str) -> Sequence[MarkEvent]:
        """Every mark of a series, oldest first."""
        ...


class OrderBroker(Protocol):
    """Sends orders to a venue."""

    def place_order(self, request: OrderRequest) -> Placement:
        """Send once, never retry; judge by evidence. No exception for anything the wire may do."""
        ...

    def cancel_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """Cancel; None when the venue does not know the order. TransientError when nothing is known."""
        ...

    def fetch_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """The venue's order, or None when the venue says that there is none. TransientError otherwise."""
        ...


class AccountBroker(Protocol):
    """What a venue says of an account; TransientError when it does not answer."""

    def fetch_open_orders(self, instruments: Sequence[str]) -> Sequence[VenueOrder]:
        """Orders that rest now."""
        ...

    def fetch_orders(self, instrument: str, since: datetime) -> Sequence[VenueOrder]:
        """All orders placed since ``since`` (wall time), whatever their state, oldest first."""
        ...

    def fetch_fills(self, instrument: str, after_trade_id: str | None) -> Sequence[Fill]:
        """Fills with a trade id after ``after_trade_id``, ascending; all when None."""
        ...

    def fetch_balances(self) -> Mapping[str, Balance]:
        """Asset -> balance, zero balances left out."""
        ...


class DecisionLedger(Protocol):
    """Decisions and their intents."""

    def record_decision(self, decision: Decision, intents: Sequence[OrderIntent], *, epoch: int) -> bool:
        """One durable transaction: decision, intents, a PLANNED event each. False when it was there already.

        Marks every PLANNED intent of earlier decisions of the account NOT_PLACED in the same transaction.
        LeaseLost when ``epoch`` is not the account lease's; TradingError when an order of the account is
        SUBMITTING or UNKNOWN (refusals are recorded all the same).
        """
        ...

    def add_intent(self, intent: OrderIntent, *, epoch: int, stamp: Stamp) -> bool:
        """Append a PLANNED intent to a decision that is there; False when it was there already.

        It takes a cancelled order's place. LeaseLost as for decisions; TradingError when the account has no such
        decision.
        """
        ...

    def load_decision(self, decision_id: str) -> Decision | None:
        """The decision, or None."""
        ...

    def load_watermarks(self) -> Sequence[int]:
        """The store watermark of every decision of every account, ascending, each once."""
        ...

    def load_decisions(self, account: str, *, since: datetime | None = None) -> Sequence[Decision]:
        """Decisions of the account by as_of, then attempt."""
        ...


class OrderLedger(Protocol):
    """The append-only story of each order. Every write is one durable transaction."""

    def load_orders(
        self,
        *,
        account: str | None = None,
        decision_id: str | None = None,
        intent_id: str | None = None,
        states: Sequence[OrderState] | None = None,
        sent_since: datetime | None = None,
    ) -> Sequence[LedgerOrder]:
        """Orders that match all that is given, by (as_of, attempt, leg); ``sent_since`` leaves out what never left."""
        ...

    def begin_submit(self, intent_id: str, *, epoch: int, window_ms: int, stamp: Stamp) -> LedgerOrder:
        """Write SUBMITTING with send time (``stamp.wall``) and window, and return the order as it now is.

        In the same transaction: LeaseLost unless ``epoch`` is current and the lease unexpired at
        ``stamp.wall``; TradingStopped when a freeze of the instrument, the account or ``*`` stands;
        TradingError when the move is illegal or the market time is past the intent's expiry.
        """
        ...

    def record_state(
        self,
        intent_id: str,
        state: OrderState,
        *,
        stamp: Stamp,
        reason: str = "",
        order: VenueOrder | None = None,
        seen: LedgerOrder | None = None,
    ) -> LedgerOrder:
        """Append a move (an equal state with nothing new adds nothing) and return the order as it then is.

        TradingError when the move is illegal.

        ``seen`` is the order as the caller last saw it. When it was sent (again) since, what the caller has to tell
        is of an older send and proves nothing about the newer one: nothing is written.
        """
        ...

    def reduce_buys(
        self, decision_id: str, allowed: Mapping[str, Decimal], *, epoch: int, stamp: Stamp
    ) -> Sequence[LedgerOrder]:
        """Once per decision: cut each PLANNED buy to ``allowed[intent_id]``, never raising it; 0 -> NOT_PLACED.

        A second call changes nothing. Returns the decision's buys as they now are. LeaseLost as for a send: what was
        free may be another's by now.
        """
        ...


class FillLedger(Protocol):
    """Fills, cash and what they add up to."""

    def record_fills(self, account: str, fills: Sequence[Fill], *, stamp: Stamp) -> int:
        """Append fills not yet there (by instrument and trade id); return how many were new.

        A fill of an order of ours is tied to its intent by client or venue order id.
        """
        ...

    def load_fills(self, account: str, *, intent_id: str | None = None) -> Sequence[Fill]:
        """Fills in ledger order."""
        ...

    def last_trade_id(self, account: str, instrument: str) -> str | None:
        """The newest trade id recorded for the instrument, or None."""
        ...

    def load_portfolio(self, account: str) -> Portfolio:
        """Opening cash + cash events + fills - fees, to the last unit; reserved by open orders."""
        ...


class AccountLedger(Protocol):
    """Accounts and cash events."""

    def open_account(self, account: Account, balances: Mapping[str, Decimal], *, stamp: Stamp) -> bool:
        """Record the account with its opening balances; False when it is open already."""
        ...

    def load_account(self, account: str) -> Account | None:
        """The account, or None."""
        ...

    def load_cash_events(self, account: str) -> Sequence[CashEvent]:
        """Every cash event of the account, oldest first."""
        ...

    def record_cash_event(self, event: CashEvent, *, stamp: Stamp) -> bool:
        """Append by event id; False when it was there already."""
        ...


class LeaseStore(Protocol):
    """One row per name: who may act, and the epoch that fences out everyone before."""

    def acquire(self, name: str, owner: str, *, ttl_seconds: float, now: datetime) -> int | None:
        """Take a free or expired lease (or one already ours); the new epoch, or None when another holds it.

        Each acquisition raises the epoch by one. ``now`` is wall time.
        """
        ...

    def renew(self, name: str, owner: str, epoch: int, *, ttl_seconds: float, now: datetime) -> bool:
        """Extend; False when the lease is no longer ours."""
        ...

    def is_held(self, name: str, epoch: int, *, now: datetime) -> bool:
        """Whether ``epoch`` is current and unexpired at ``now``."""
        ...

    def release(self, name: str, owner: str, epoch: int) -> None:
        """Give it back; nothing happens when it is no longer ours."""
        ...


class FreezeStore(Protocol):
    """Freezes of instruments and accounts, and the halt (scope ``*``)."""

    def freeze(self, scope: str, reason: str, *, stamp: Stamp) -> bool:
        """Stop ``scope``; False when it is stopped already (the first reason stands)."""
        ...

    def resume(self, scope: str, because: str, *, stamp: Stamp) -> bool:
        """Lift the stop with a person's reason; False when none stands."""
        ...

    def load_freezes(self) -> Sequence[Freeze]:
        """Stops that stand now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """A trained estimator with what is needed to use and judge it.

    ``estimator.predict(X)`` takes float64 (rows, len(feature_names)) and gives the expected return over
    ``horizon_bars`` bars; ``strength_scale`` is the predicted return that makes a forecast of 1.
    ``dataset_hash`` is the SHA-256 of the exact training rows, ``data_snapshot`` that of the file with the
    bars that they were made of ("" when none was kept).
    """

    name: str
    estimator: Any
    feature_names: tuple[str, ...]
    timeframe: str
    horizon_bars: int
    strength_scale: float
    trained_as_of: datetime
    dataset_hash: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    verdict: str = "unproven"
    version: str = ""
    data_snapshot: str = ""


class ModelRegistry(Protocol):
    """Candidates, and which of them is champion."""

    def register(self, model: FittedModel, sample: pd.DataFrame) -> str:
        """Store a candidate (``sample``: some feature rows, for the signature); return its version."""
        ...

    def promote(self, name: str, version: str) -> None:
        """Give ``version`` the alias champion."""
        ...

    def load_champion(self, name: str) -> FittedModel | None:
        """The champion, or None while there is none."""
        ...

    def load_version(self, name: str, version: str) -> FittedModel:
        """A version; DataError when there is none."""
        ...


Sleep = Callable[[float], None]
