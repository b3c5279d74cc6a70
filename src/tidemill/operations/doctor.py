"""`tidemill doctor`: what is missing, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import requests

from tidemill.adapters.venues.capabilities import check_live
from tidemill.bootstrap import (
    BUNDLED,
    Services,
    check_venue_address,
    examine_setting,
    recorded_settings,
    settings_recording,
    store_damage,
)
from tidemill.domain.errors import TidemillError
from tidemill.domain.market import format_time, from_micros
from tidemill.operations.served_recording import check_served
from tidemill.pages.output_files import make_folder
from tidemill.ports import StoreHealth
from tidemill.recording.traded import load_traded_recording, make_grid
from tidemill.settings import Settings, settings_file

LITTLE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report; an optional one is a note, not a failure."""

    subject: str
    ok: bool
    text: str
    optional: bool = False


def examine(load: Callable[[], Settings], *, live: bool) -> list[Finding]:
    """Everything that can be looked at from here; nothing is changed but missing stores, which are made."""
    try:
        settings = load()
    except TidemillError as error:
        return [Finding(subject="settings", ok=False, text=str(error))]
    where = settings_file()
    text = f"read from {where}" if where.exists() else "no file; defaults and environment (tidemill init writes one)"
    findings = [Finding(subject="settings", ok=True, text=text)]
    findings += [*_examine_home(settings), *_examine_stores(settings), *_examine_sources(settings)]
    findings += [*_examine_recording(settings), *_examine_markets(settings), *_examine_models(settings)]
    findings += [*_examine_strategy(settings), *_examine_prefect(settings)]
    if live or settings.mode in {"sandbox", "live"}:
        findings += _examine_keys(settings)
    if live or settings.mode == "live":
        findings += _examine_live(settings)
    return findings


def _examine_home(settings: Settings) -> Iterator[Finding]:
    home = settings.home.absolute()
    try:
        yield Finding(subject="home", ok=True, text=str(make_folder(home)))
    except TidemillError as error:
        yield Finding(subject="home", ok=False, text=str(error))


def _examine_stores(settings: Settings) -> Iterator[Finding]:
    svc = Services(settings)
    yield from _examine_store(settings, "market", lambda: _examine_health(svc.stores.market.health()))
    yield from _examine_store(settings, "ops", lambda: _examine_ledger(svc))
    svc.close()


def _examine_store(
    settings: Settings, name: Literal["market", "ops"], look: Callable[[], Iterator[Finding]]
) -> Iterator[Finding]:
    """What ``look`` finds in a store; a damaged one is not opened, and one that cannot be opened is a finding."""
    try:
        if damage := store_damage(name, settings.database_url(name)):
            yield Finding(subject=f"{name} store", ok=False, text=damage)
        else:
            yield from look()
    except TidemillError as error:
        yield Finding(subject=f"{name} store", ok=False, text=str(error))


def _examine_ledger(svc: Services) -> Iterator[Finding]:
    """Opening it reads its schema."""
    _ = svc.stores.ledger
    yield Finding(subject="ops store", ok=True, text=svc.settings.database_url("ops").split("://", 1)[0])


def _examine_health(health: StoreHealth) -> Iterator[Finding]:
    newest = f"written up to {format_time(from_micros(health.watermark))}" if health.watermark else "empty"
    yield Finding(subject="market store", ok=True, text=f"{health.kind} in {health.place}, {newest}")
    free = health.free_bytes
    if free is not None:
        way = (
            "" if free >= LITTLE_BYTES else "; a full disk stops ingest: make room, 'tidemill data prune' may free some"
        )
        yield Finding(subject="disk", ok=not way, text=f"{free / 1e9:.1f} GB are free beside the market store{way}")


def _examine_sources(settings: Settings) -> Iterator[Finding]:
    keys = {
        "X": (settings.x.bearer_token.get_secret_value(), "TIDEMILL_X__BEARER_TOKEN"),
        "Reddit": (settings.reddit.client_id, "TIDEMILL_REDDIT__CLIENT_ID and TIDEMILL_REDDIT__CLIENT_SECRET"),
        "NewsAPI": (settings.news.api_key.get_secret_value(), "TIDEMILL_NEWS__API_KEY"),
    }
    for name, (value, variable) in keys.items():
        text = "a key is set" if value else f"no key, so it is skipped; set {variable}"
        yield Finding(subject=name, ok=bool(value), text=text, optional=True)


def _examine_recording(settings: Settings) -> Iterator[Finding]:
    if settings.recording is None:
        return
    try:
        recording = settings_recording(settings)
        if recording is not None:
            check_served(settings, recording)
            yield Finding(subject="recording", ok=True, text=recording.title)
    except TidemillError as error:
        yield Finding(subject="recording", ok=False, text=str(error))


def _examine_markets(settings: Settings) -> Iterator[Finding]:
    """Each further market's client is made, which asks nobody."""
    svc = Services(settings)
    for market in settings.markets:
        try:
            svc.markets.sources.bars(market.name)
            yield Finding(subject=f"market {market.name}", ok=True, text=market.exchange or market.source)
        except TidemillError as error:
            yield Finding(subject=f"market {market.name}", ok=False, text=str(error))
    svc.close()


def _examine_models(settings: Settings) -> Iterator[Finding]:
    """A model server, where one is named: MLflow's client would try for minutes before it said so."""
    url = settings.mlflow_url
    if url.startswith("http"):
        up = _answers(f"{url.rstrip('/')}/health")
        text = f"{url} answers" if up else f"{url} does not answer; start it, or correct TIDEMILL_MLFLOW_URL"
        yield Finding(subject="model store", ok=up, text=text)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=3).ok
    except requests.RequestException:
        return False


def _examine_strategy(settings: Settings) -> Iterator[Finding]:
    """Deterministic, no clock, no look-ahead: on the settings' recording, else on the bundled prices."""
    try:
        recording = load_traded_recording(None if settings.recording in {None, BUNDLED} else settings.recording)
        traded = recorded_settings(settings, recording, settings.strategy)
        checked = examine_setting(traded, recording, make_grid(recording, None, settings.decision_delay_seconds))
    except TidemillError as error:
        yield Finding(subject="strategy", ok=False, text=str(error))
        return
    passed = f"'{checked.strategy}' gives the same answer twice and looks at nothing later, at {checked.points} points"
    for text in checked.problems or (passed,):
        yield Finding(subject="strategy", ok=not checked.problems, text=text)


def _examine_prefect(settings: Settings) -> Iterator[Finding]:
    url = os.environ.get("PREFECT_API_URL", "")
    if not url:
        yield Finding(subject="Prefect", ok=True, text="tidemill up and demo start a server of their own")
        return
    up = _answers(f"{url}/health")
    text = f"{url} answers" if up else f"{url} does not answer; start it or unset PREFECT_API_URL"
    yield Finding(subject="Prefect", ok=up, text=text)
    if not settings.ops_url.startswith("postgresql"):
        note = "several workers need PostgreSQL; set TIDEMILL_OPS_URL and TIDEMILL_MARKET_URL"
        yield Finding(subject="workers", ok=False, text=note, optional=True)


def _examine_keys(settings: Settings) -> Iterator[Finding]:
    has_keys = bool(settings.venue.key.get_secret_value() and settings.venue.secret.get_secret_value())
    text = "keys are set" if has_keys else "set TIDEMILL_VENUE__KEY and TIDEMILL_VENUE__SECRET"
    yield Finding(subject="venue keys", ok=has_keys, text=text)
    venue = settings.venue
    try:
        check_venue_address(settings.mode, venue.exchange, venue.rest_url)
        text = f"orders go to {venue.rest_url or venue.exchange}"
        yield Finding(subject="venue address", ok=True, text=text)
    except TidemillError as error:
        yield Finding(subject="venue address", ok=False, text=str(error))


def _examine_live(settings: Settings) -> Iterator[Finding]:
    yield Finding(
        subject="live switch",
        ok=settings.live,
        text="TIDEMILL_LIVE is on" if settings.live else "TIDEMILL_LIVE is off; live orders are refused",
    )
    try:
        check_live(settings.venue.exchange)
        yield Finding(subject="venue", ok=True, text=f"{settings.venue.exchange} is verified for live orders")
    except TidemillError as error:
        yield Finding(subject="venue", ok=False, text=str(error))
    proven = settings.promotion == "proven"
    text = "only proven models trade" if proven else "set TIDEMILL_PROMOTION to proven; live refuses unproven models"
    yield Finding(subject="promotion", ok=proven, text=text)
