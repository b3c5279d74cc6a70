"""New posts of every source: fetched, checked, stored, scored."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import Mode
from tasks.artifacts import publish_page
from tasks.data import fetch_and_store_posts, ingest_summaries
from tasks.options import finished, patiently
from tidemill.bootstrap import services
from tidemill.reports import posts_page


@flow(name="ingest_sentiment", flow_run_name="ingest_sentiment-{mode}", log_prints=False)
def ingest_sentiment(mode: Mode = "paper") -> dict[str, Any]:
    """Fetch and score what is new from X, Reddit and NewsAPI, as far as they have keys.

    A source that is down or out of quota is skipped and said so; the others go on.

    Args:
        mode: Must be the mode of the settings; a run of another mode is refused.

    """
    svc = services()
    svc.trading.check_mode(mode)
    names = [source.source for source in svc.markets.post_sources]
    futures = patiently(fetch_and_store_posts).map(names) if names else []
    summaries = ingest_summaries([(name, "") for name in names], finished(futures))
    results = [summary.to_json() for summary in summaries]
    publish_page(f"ingest-sentiment-{mode}", posts_page(results), "Posts by source")
    return {"results": results}
