"""One frozen tree of settings, read once.

Each has an environment variable ``TIDEMILL_<NAME>`` (nested with ``__``) and a line in
``tidemill.toml``, read from the working directory, else from HOME. Secrets are typed as secret.
"""

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
