"""A post becomes a sentiment score in [-1, +1], and the base assets that it names.

The scorer is VADER (C. Hutto, E. Gilbert, 2014) with some words of the field whose tone its general lexicon
misses or mistakes ("shares" are held, not given). Those words and their weights are ours, chosen by
meaning alone, not fitted to any data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tidemill.ports import SCORE_COLUMNS

SCORER = "vader-1"
LONGEST_TEXT = 600
SHORTEST_TICKER = 3

# Weight on VADER's scale, -4 (very negative) to +4 -> words.
FIELD_WORDS = {
    2.5: "bullish mooning",
    2.0: "rally rallies rallied surge surges surged soar soars soared skyrocket skyrockets moon ath outperform",
    1.5: "rise rises rose rising climb climbs climbed jump jumps jumped rebound rebounds upgrade upgrades upgraded "
    "beat beats bulls breakout upside outperforms undervalued",
    1.0: "hodl adoption inflows buyback dividend halving accumulate",
    -1.0: "dip dips slip slips slipped bears outflows overvalued correction",
    -1.5: "fall falls fell falling decline declines declined slide slides underperform underperforms downgrade "
    "downgrades downgraded misses lawsuit outage fud",
    -2.0: "slump slumps slumped plunge plunges plunged plummet plummets plummeted tumble tumbles tumbled dump dumps "
    "dumping downturn layoffs breach exploit bearish selloff",
    -2.5: "crash crashes crashed hack hacked hacks rekt delisted liquidated liquidation insolvent",
    -3.0: "bankruptcy ponzi rugpull",
}
NEUTRAL_WORDS = "share shares interest gross crude treasury block"
# In lower case: meant in any case. With a capital: an everyday word too, so only as written or in capitals.
NAMES = {
    "BTC": ("btc", "bitcoin", "bitcoins", "xbt"),
    "ETH": ("eth", "ethereum", "Ether"),
    "SOL": ("solana",),
    "ADA": ("cardano",),
    "LINK": ("chainlink",),
    "LTC": ("ltc", "litecoin"),
    "XRP": ("xrp", "Ripple"),
    "DOGE": ("doge", "dogecoin"),
    "BNB": ("bnb", "binance coin"),
    "AAPL": ("aapl", "Apple"),
    "MSFT": ("msft", "microsoft"),
    "GOOG": ("goog", "googl", "google", "Alphabet"),
    "IBM": ("ibm",),
}
_WORD = re.compile(r"\$?\w+")


def score_posts(posts: pd.DataFrame, *, bases: Sequence[str]) -> pd.DataFrame:
    """SCORES of POSTS: VADER's compound of title and text, known when the post was known.

    Only the first LONGEST_TEXT characters count; a text without a word scores 0. ``subjects`` are those of
    ``bases`` that the post names: by cashtag, by ticker in capitals (of three letters or more) or by a known
    name, so that a "link" or "sol" in a sentence is no asset; "" when it names none of them.
    """
    columns = (posts[name].fillna("") for name in ("title", "text"))
    texts = [_join(str(title), str(text)) for title, text in zip(*columns, strict=True)]
    analyzer = _analyzer()
    namings = [_naming(base) for base in bases]
    scores = np.array([analyzer.polarity_scores(text)["compound"] for text in texts], dtype=np.float64)
    subjects = [_find_subjects(text, namings) for text in texts]
    scored = pd.DataFrame(
        {
            "source": posts["source"].array,
            "post_id": posts["post_id"].array,
            "scorer": pd.Series(SCORER, index=posts.index, dtype="str").array,
            "score": np.clip(scores, -1.0, 1.0),
            "subjects": pd.Series(subjects, index=posts.index, dtype="str").array,
            "event_time": posts["event_time"].array,
            "knowledge_time": posts["knowledge_time"].array,
        }
    )
    return scored[list(SCORE_COLUMNS)]


def _join(title: str, text: str) -> str:
    return (f"{title}. {text}" if title else text)[:LONGEST_TEXT]


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    class NearWords(SentimentIntensityAnalyzer):  # type: ignore[misc]
        """VADER, whose two checks of the words around one lower all words of the text each time; they need six."""

        def _negation_check(self, valence: float, words: list[str], distance: int, at: int) -> float:
            first = max(0, at - 3)
            return float(super()._negation_check(valence, words[first : at + 3], distance, at - first))

        def _special_idioms_check(self, valence: float, words: list[str], at: int) -> float:
            first = max(0, at - 3)
            return float(super()._special_idioms_check(valence, words[first : at + 3], at - first))

    analyzer = NearWords()
    for weight, words in FIELD_WORDS.items():
        for word in words.split():
            analyzer.lexicon[word] = weight
    for word in NEUTRAL_WORDS.split():
        # Taken out, since VADER still gives a word of weight 0 what capitals and "very" add.
        analyzer.lexicon.pop(word, None)
    return analyzer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Naming:
    """How a base asset is named: by a word as written, a word in any case, or a phrase in any case."""

    base: str
    exact: frozenset[str]
    lower: frozenset[str]
    phrases: tuple[str, ...]


def _naming(base: str) -> _Naming:
    names = NAMES.get(base, ())
    everyday = [name for name in names if name[0].isupper()]
    others = [name for name in names if not name[0].isupper()]
    tickers = [base] if len(base) >= SHORTEST_TICKER else []
    return _Naming(
        base=base,
        exact=frozenset([*tickers, *everyday, *(name.upper() for name in everyday)]),
        lower=frozenset([f"${base.lower()}", *(name for name in others if " " not in name)]),
        phrases=tuple(name for name in others if " " in name),
    )


def _find_subjects(text: str, namings: Sequence[_Naming]) -> str:
    words = set(_WORD.findall(text))
    lowered = {word.lower() for word in words}
    subjects = [
        naming.base
        for naming in namings
        if not (naming.exact.isdisjoint(words) and naming.lower.isdisjoint(lowered))
        or any(phrase in text.lower() for phrase in naming.phrases)
    ]
    return ",".join(subjects)
