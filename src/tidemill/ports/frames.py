"""Columns of the DataFrames that cross the ports."""

from __future__ import annotations

BAR_COLUMNS = ("instrument", "open_time", "open", "high", "low", "close", "volume", "knowledge_time", "assumed")
POST_COLUMNS = ("source", "post_id", "channel", "event_time", "knowledge_time", "assumed", "title", "text")
SCORE_COLUMNS = ("source", "post_id", "scorer", "score", "subjects", "event_time", "knowledge_time")
GAP_COLUMNS = ("instrument", "timeframe", "start", "end", "missing", "cause")
QUARANTINE_COLUMNS = ("timeframe", *BAR_COLUMNS, "reason", "source", "payload_hash")
