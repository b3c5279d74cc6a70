"""Counts and pages made of what happened: pure, for artifacts, screens and JSON alike.

A page is Markdown, a row a mapping of cells that JSON can hold. Nothing here reads a store or a clock.
"""

from tidemill.reports.decisions import (
    decision_page,
    monitor_page,
    skipped_page,
    training_page,
)
from tidemill.reports.market import (
    BARS_COLUMNS,
    GAP_ROW_COLUMNS,
    POSTS_COLUMNS,
    asset_key,
    completeness_days,
    completeness_rows,
    gap_row,
    ingest_page,
    posts_page,
    progress_sentence,
    repair_page,
    series_state,
    stream_page,
)
from tidemill.reports.orders import ORDER_COLUMNS, ORDER_COUNTS, add_counts, count_orders, order_row, reconcile_page
from tidemill.reports.tables import Cell, Row, table
from tidemill.reports.trades import SkippedTrade, TradeSummary

__all__ = [
    "BARS_COLUMNS",
    "GAP_ROW_COLUMNS",
    "ORDER_COLUMNS",
    "ORDER_COUNTS",
    "POSTS_COLUMNS",
    "Cell",
    "Row",
    "SkippedTrade",
    "TradeSummary",
    "add_counts",
    "asset_key",
    "completeness_days",
    "completeness_rows",
    "count_orders",
    "decision_page",
    "gap_row",
    "ingest_page",
    "monitor_page",
    "order_row",
    "posts_page",
    "progress_sentence",
    "reconcile_page",
    "repair_page",
    "series_state",
    "skipped_page",
    "stream_page",
    "table",
    "training_page",
]
