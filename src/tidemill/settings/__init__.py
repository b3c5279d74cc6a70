"""Settings: one frozen tree, its groups, and how it is read."""

from tidemill.settings.groups import (
    InfluxSettings,
    IngestSettings,
    MarketSettings,
    NewsSettings,
    QualitySettings,
    RedditSettings,
    RetentionSettings,
    RiskSettings,
    SizingSettings,
    TrainingSettings,
    VenueSettings,
    XSettings,
)
from tidemill.settings.tree import (
    FILE_NAME,
    Mode,
    Settings,
    load_settings,
    settings_file,
)

__all__ = [
    "FILE_NAME",
    "InfluxSettings",
    "IngestSettings",
    "MarketSettings",
    "Mode",
    "NewsSettings",
    "QualitySettings",
    "RedditSettings",
    "RetentionSettings",
    "RiskSettings",
    "Settings",
    "SizingSettings",
    "TrainingSettings",
    "VenueSettings",
    "XSettings",
    "load_settings",
    "settings_file",
]
