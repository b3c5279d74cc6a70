"""The way to speak to an InfluxDB server of a version."""

from __future__ import annotations

from tidemill.adapters.influx.flux import FluxWire
from tidemill.adapters.influx.influxql import InfluxQlWire
from tidemill.adapters.influx.wire import Api, Place, Wire
from tidemill.ports import Sleep


def open_wire(place: Place, api: Api, sleep: Sleep) -> Wire:
    """The way to speak to a server of that API."""
    if api == "v1":
        return InfluxQlWire(place, sleep, write_path="/write")
    if api == "v2-influxql":
        return InfluxQlWire(place, sleep, write_path="/api/v2/write")
    return FluxWire(place, sleep)
