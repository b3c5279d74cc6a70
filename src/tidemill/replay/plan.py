"""What a replay runs: the recording, the traded part, the settings of its own data folder."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidemill.bootstrap import BUNDLED
from tidemill.domain.market import DecisionGrid
from tidemill.pages.output_files import make_folder
from tidemill.recording import SPOT_ONLY, Recording
from tidemill.recording.traded import load_traded_recording, make_grid, traded_part
from tidemill.settings import FILE_NAME, Settings, load_settings

DOUBLE_KEY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What a person asked for; None means the default."""

    data: Path | None = None
    strategy: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    every: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """A replay, ready to run. ``generated_posts`` says that its posts were made, not recorded."""

    recording: Recording
    source: Path
    grid: DecisionGrid
    points: tuple[datetime, ...]
    start: datetime
    end: datetime
    every: str
    strategy: str
    folder: Path
    generated_posts: bool

    @property
    def universe(self) -> tuple[str, ...]:
        """All instruments of the recording, in its order."""
        return tuple(dict.fromkeys(series.instrument.id for series in self.recording.series))


def make_plan(options: ReplayOptions, base: Settings, *, folder: Path | None = None) -> ReplayPlan:
    """Load the recording and fix the traded part; DataError when nothing can be decided in it."""
    recording = load_traded_recording(options.data).need_no_funding(SPOT_ONLY)
    grid = make_grid(recording, options.every, base.decision_delay_seconds)
    points, end = traded_part(recording, grid, options.start, options.end)
    return ReplayPlan(
        recording=recording,
        source=options.data.absolute() if options.data else BUNDLED,
        grid=grid,
        points=points,
        start=points[0],
        end=end,
        every=options.every or recording.timeframe,
        strategy=_absolute(options.strategy or base.strategy),
        folder=folder or new_folder(base.home),
        generated_posts=options.data is None,
    )


def _absolute(strategy: str) -> str:
    """A strategy's file by its full path, since a replay has a folder of its own."""
    return str(Path(strategy).absolute()) if strategy.endswith(".py") else strategy


def new_folder(home: Path) -> Path:
    """A data folder that no other run has; ConfigurationError when it cannot be made."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return make_folder(home.absolute() / "runs" / f"{stamp}-{secrets.token_hex(2)}")


def replay_settings(plan: ReplayPlan, base: Settings, *, urls: dict[str, str], key: str, secret: str) -> Settings:
    """Settings of one replay: its own folder, the venue and the doubles on loopback."""
    venue = plan.recording.series[0].instrument.venue
    query = " OR ".join(dict.fromkeys(series.instrument.base for series in plan.recording.series))
    return load_settings(
        **_replay_values(plan, base),
        venue={"name": venue, "rest_url": urls["rest"], "admin_url": urls["admin"], "key": key, "secret": secret},
        x={"bearer_token": DOUBLE_KEY, "query": query, "base_url": urls["x"]},
        reddit={
            "client_id": DOUBLE_KEY,
            "client_secret": DOUBLE_KEY,
            "subreddits": channels(plan.recording, "reddit") or ("none",),
            "base_url": urls["reddit"],
        },
        news={"api_key": DOUBLE_KEY, "query": query, "base_url": urls["news"]},
    )


def stored_settings(plan: ReplayPlan, base: Settings) -> Settings:
    """Settings by which the stores of a replay are read again, without its venue and doubles."""
    return load_settings(**_replay_values(plan, base))


def _replay_values(plan: ReplayPlan, base: Settings) -> dict[str, Any]:
    """What of the settings a replay fixes, fit for a settings file."""
    return {
        "home": plan.folder,
        "mode": "replay",
        "universe": plan.universe,
        "timeframe": plan.grid.timeframe,
        "calendar": plan.grid.calendar,
        "decide_every": plan.every if plan.grid.calendar == "24x7" else "",
        "strategy": plan.strategy,
        "promotion": base.promotion,
        "recording": plan.source,
        # waiting in wall time would not move the clock of the replay, on which the venue fills
        "fill_wait_seconds": 0.0,
        # a server named in the settings is not written to: a replay keeps its stores in its own folder
        "market_url": "",
        "ops_url": "",
        "mlflow_url": "",
    }


def channels(recording: Recording, source: str) -> tuple[str, ...]:
    """Channels of one source in the recording."""
    posts = recording.posts
    return tuple(sorted(set(posts.loc[posts["source"] == source, "channel"]))) if len(posts) else ()


def write_settings_file(plan: ReplayPlan, base: Settings) -> None:
    """Leave a ``tidemill.toml`` in the folder, so that explain and rerun find the run again; no key in it."""
    lines = ["# settings of this replay; commands given in this folder read them"]
    for name, value in _replay_values(plan, base).items():
        if isinstance(value, tuple):
            value = list(value)  # noqa: PLW2901 -- TOML has arrays only
        lines.append(f"{name} = {json.dumps(str(value) if isinstance(value, Path) else value)}")
    (plan.folder / FILE_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")
