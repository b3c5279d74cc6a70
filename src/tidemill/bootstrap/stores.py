"""Where market data are kept, by the settings."""

from __future__ import annotations

from typing import Any

from tidemill.settings import Settings


def build_store(settings: Settings) -> Any:
    """The market store: SQL for everything, or bars in InfluxDB and the rest in SQL beside it."""
    from tidemill.adapters.sql.market.store import SqlMarketStore

    beside = SqlMarketStore(settings.database_url("market"))
    if not settings.influx_url:
        return beside
    from tidemill.adapters.influx.market import InfluxMarketStore
    from tidemill.adapters.influx.wire import Place

    influx = settings.influx
    place = Place(
        url=settings.influx_url.rstrip("/"),
        token=influx.token.get_secret_value(),
        org=influx.org,
        bucket=influx.bucket,
    )
    return InfluxMarketStore(place, beside, api=influx.api)
