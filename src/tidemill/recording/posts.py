"""Posts generated from past prices, for a recording that has none.

The demo says so on its screen: prices are real, posts are generated. A post made at time t is a
function of the seed and of bars closed at or before t, nothing else; so it leaks no future, and what
a model can learn from it is what past prices tell anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tidemill.domain.market import Instrument, timeframe_seconds, to_micros
from tidemill.ports import POST_COLUMNS
from tidemill.ports.frames import MICROS_PER_SECOND
from tidemill.recording.values import Recording, empty_posts

WINDOW = 20  # closes that the usual size of a move is taken from
TONES = ("dismal", "weak", "flat", "firm", "strong")
TONE_LIMITS = (-1.2, -0.3, 0.3, 1.2)  # in usual moves
MOOD_SWING = 0.25  # share of posts whose writer has a mood of their own
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Voice:
    """One kind of writer: how often they write after a new close and between closes, where, and what."""

    source: str
    channels: tuple[str, ...]
    after_close: float
    in_between: float
    titles: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, tuple[str, ...]]


_CHAT = {
    "dismal": (
        "${base} {move} ({week} in five closes) at the last close. Terrible day, I am worried.",
        "Awful close for ${base}, {move} ({week} in five closes). Glad I hedged, this is ugly.",
        "${base} crushed, {move} ({week} in five closes). Fear everywhere on my feed.",
    ),
    "weak": (
        "${base} {move} ({week} in five closes), a bit disappointing.",
        "Sellers had ${base} again, {move} ({week} in five closes). Not a good look.",
        "${base} slips {move} ({week} in five closes). I stay cautious.",
    ),
    "flat": (
        "${base} {move} ({week} in five closes) at the close, nothing to see.",
        "Watching ${base}. Quiet session, {move} ({week} in five closes).",
        "Another sideways close in ${base}, {move} ({week} in five closes).",
    ),
    "firm": (
        "${base} {move} ({week} in five closes), nice and steady.",
        "Good close for ${base}, {move} ({week} in five closes). I like it.",
        "Buyers are back in ${base}, {move} ({week} in five closes).",
    ),
    "strong": (
        "${base} {move} ({week} in five closes)! What a great close, love it.",
        "Amazing strength in ${base}, {move} ({week} in five closes). Happy to hold.",
        "${base} flying, {move} ({week} in five closes). Best day in a while.",
    ),
}
_FORUM_TITLES = {
    "dismal": ("{base} {move}: how bad can this get?", "I lost a lot on {base} at the last close"),
    "weak": ("{base} looks tired to me", "Is anyone else trimming {base}?"),
    "flat": ("{base} discussion after the close", "What is your plan for {base}?"),
    "firm": ("{base} doing well, {move}", "Adding a little {base} here"),
    "strong": ("{base} {move}, what a win", "{base} bulls, enjoy this one"),
}
_FORUM_TEXTS = {
    "dismal": ("Closed {move}, {week} over five closes. The chart is horrible and I regret not selling.",),
    "weak": ("Closed {move}, {week} over five closes. Weak demand, I would rather wait.",),
    "flat": ("Closed {move}, {week} over five closes. No strong view, curious what others think.",),
    "firm": ("Closed {move}, {week} over five closes. Solid demand, I am fairly optimistic.",),
    "strong": ("Closed {move}, {week} over five closes. Excellent momentum and great volume, very bullish.",),
}
_NEWS_TITLES = {
    "dismal": ("{base} tumbles as fears grow", "Heavy losses for {base} at the close"),
    "weak": ("{base} eases at the close", "{base} slips as buyers hesitate"),
    "flat": ("{base} little changed at the close", "{base} ends where it began"),
    "firm": ("{base} gains at the close", "{base} edges up on steady demand"),
    "strong": ("{base} surges on strong demand", "{base} jumps, investors cheer"),
}
_NEWS_TEXTS = {
    "dismal": ("{base} closed {move} in a painful session and stands {week} over five closes.",),
    "weak": ("{base} closed {move} in a soft session and stands {week} over five closes.",),
    "flat": ("{base} closed {move} in a calm session and stands {week} over five closes.",),
    "firm": ("{base} closed {move} in a good session and stands {week} over five closes.",),
    "strong": ("{base} closed {move} in an excellent session and stands {week} over five closes.",),
}
_VOICES = (
    _Voice(source="x", channels=("x",), after_close=1.0, in_between=1.0, titles={}, texts=_CHAT),
    _Voice(
        source="reddit",
        channels=("stocks", "investing"),
        after_close=0.6,
        in_between=0.2,
        titles=_FORUM_TITLES,
        texts=_FORUM_TEXTS,
    ),
    _Voice(
        source="news",
        channels=("The Closing Bell", "Market Ledger"),
        after_close=0.4,
        in_between=0.0,
        titles=_NEWS_TITLES,
        texts=_NEWS_TEXTS,
    ),
)


def make_posts(recording: Recording, *, seed: int = 0) -> pd.DataFrame:
    """POSTS about every instrument, by (event_time, post_id), from its first close to the last of all.

    Time is cut into slots of one bar from the first close on; in each the writers look at the newest
    bar closed when the slot began. The same recording and seed give the same posts.
    """
    rows = [
        row
        for number, name in enumerate(recording.instruments)
        for row in _posts_about(recording, name, number=number, seed=seed)
    ]
    if not rows:
        return empty_posts()
    posts = pd.DataFrame(rows, columns=["source", "post_id", "channel", "event_time", "title", "text"])
    times = pd.DatetimeIndex(posts["event_time"].to_numpy(np.int64).view("datetime64[us]"), tz="UTC")
    frame = posts.assign(event_time=times, knowledge_time=times, assumed=True)[list(POST_COLUMNS)]
    return frame.sort_values(["event_time", "post_id"], kind="stable", ignore_index=True)


def _posts_about(recording: Recording, name: str, *, number: int, seed: int) -> Iterator[tuple[Any, ...]]:
    """Rows (source, post_id, channel, micros, title, text) of one instrument."""
    series = recording.series_of(name)
    length = timeframe_seconds(series.timeframe) * MICROS_PER_SECOND
    closed_at = series.open_micros + length
    views = _make_views(series.bars["close"].to_numpy(np.float64))
    slots = np.arange(closed_at[0], to_micros(recording.last_close), length)
    newest = np.searchsorted(closed_at, slots, side="right") - 1
    for slot, index in zip(slots.tolist(), newest.tolist(), strict=True):
        fresh = int(closed_at[index]) == slot
        for voice in _VOICES:
            luck = _Luck(f"{seed}|{name}|{slot}|{voice.source}")
            if luck.share() < (voice.after_close if fresh else voice.in_between):
                yield _write(voice, series.instrument, views[index], luck, slot=slot, length=length, number=number)


def _write(
    voice: _Voice, instrument: Instrument, view: _View, luck: _Luck, *, slot: int, length: int, number: int
) -> tuple[Any, ...]:
    tone = TONES[luck.below(len(TONES))] if luck.share() < MOOD_SWING else view.tone
    second = slot // MICROS_PER_SECOND + luck.below(length // MICROS_PER_SECOND)
    words = {"base": instrument.base, "move": view.move, "week": view.week}
    title = luck.one_of(voice.titles[tone]).format(**words) if voice.titles else ""
    text = luck.one_of(voice.texts[tone]).format(**words)
    # Like the real services' ids these grow with time; the last two digits tell instruments apart.
    ident = second * 10**6 + luck.below(10**4) * 100 + number % 100
    post_id = str(ident) if voice.source == "x" else _to_base36(ident)
    return voice.source, post_id, luck.one_of(voice.channels), second * MICROS_PER_SECOND, title, text


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What anyone can say of an instrument after a close."""

    tone: str
    move: str
    week: str


def _make_views(closes: np.ndarray) -> list[_View]:
    """One view per close, from this and earlier closes alone; an earlier close that is missing counts as equal."""
    moves = np.diff(np.log(closes), prepend=np.log(closes[0]))
    usual = np.array([np.sqrt(np.mean(moves[max(0, at - WINDOW + 1) : at + 1] ** 2)) for at in range(len(moves))])
    scaled = np.divide(moves, usual, out=np.zeros_like(moves), where=usual > 0)
    tones = np.searchsorted(TONE_LIMITS, scaled)
    week = closes / closes[np.maximum(0, np.arange(len(closes)) - 5)] - 1
    return [
        _View(tone=TONES[tone], move=_percent(np.expm1(move)), week=_percent(over))
        for tone, move, over in zip(tones.tolist(), moves.tolist(), week.tolist(), strict=True)
    ]


def _percent(change: float) -> str:
    rounded = round(100 * float(change), 1)
    return "unchanged" if rounded == 0 else f"{'up' if rounded > 0 else 'down'} {abs(rounded)}%"


class _Luck:
    """Draws that depend on their key alone, so that one post's do not move when another appears."""

    def __init__(self, key: str) -> None:
        self._bits = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=32).digest(), "big")

    def below(self, limit: int) -> int:
        """A number >= 0 and < ``limit``."""
        self._bits, drawn = divmod(self._bits, limit)
        return drawn

    def share(self) -> float:
        """A number >= 0 and < 1."""
        return self.below(1 << 24) / (1 << 24)

    def one_of(self, choices: tuple[str, ...]) -> str:
        """One of ``choices``."""
        return choices[self.below(len(choices))]


def _to_base36(number: int) -> str:
    digits = []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_BASE36[digit])
    return "".join(reversed(digits))
