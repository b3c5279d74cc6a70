"""Whether a recording has what the settings trade on, where it is served in place of live data."""

from __future__ import annotations

import json

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import timeframe_seconds
from tidemill.recording import Recording
from tidemill.settings import Settings


def check_served(settings: Settings, recording: Recording) -> None:
    """Raise ConfigurationError with all that has to be set, when the settings ask for what the recording has not."""
    offered = tuple(recording.instruments)
    changes: list[str] = []
    if missing := [name for name in settings.universe if name not in offered]:
        changes.append(f"universe to some of {json.dumps(offered)} ({missing[0]} is not among them)")
    if (venue := recording.series[0].instrument.venue) != settings.venue.name:
        changes.append(f"venue.name to {venue}")
    if timeframe_seconds(settings.timeframe) % timeframe_seconds(recording.timeframe):
        changes.append(f"timeframe to {recording.timeframe}")
    if settings.calendar != recording.calendar:
        changes.append(f"calendar to {recording.calendar}")
    if changes:
        raise ConfigurationError(f"to serve the recording '{recording.title}', set {', and '.join(changes)}")
