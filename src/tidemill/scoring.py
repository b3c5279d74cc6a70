"""A post becomes a sentiment score in [-1, +1], and the base assets that it names.

The scorer is VADER (C. Hutto, E. Gilbert, 2014) with a few words of the field whose tone its general lexicon
misses; those words and weights are ours, chosen by meaning, not fitted to any data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tidemill.ports import SCORE_COLUMNS

SCORER = "vader-1"
LONGEST_TEXT = 600

# VADER's scale: -4 (very negative) to +4.
FIELD_WORDS = {
    "bullish": 2.5,
    "bearish": -2.5,
    "rally": 2.0,
    "rallies": 2.0,
    "surge": 2.0,
    "surges": 2.0,
    "soar": 2.2,
    "soars": 2.2,
    "plunge": -2.2,
    "plunges": -2.2,
    "slump": -2.0,
    "slumps": -2.0,
    "crash": -2.8,
    "crashes": -2.8,
    "dump": -1.8,
    "dumping": -1.8,
    "moon": 2.0,
    "mooning": 2.2,
    "hodl": 1.0,
    "fud": -1.5,
    "rekt": -2.5,
    "hack": -2.2,
    "hacked": -2.5,
    "rugpull": -3.2,
    "outperform": 1.8,
    "underperform": -1.8,
    "upgrade": 1.5,
    "downgrade": -1.8,
    "downgraded": -1.8,
    "upgraded": 1.5,
    "beats": 1.5,
    "misses": -1.5,
    "bankruptcy": -3.0,
    "lawsuit": -1.8,
    "dividend": 0.8,
    "buyback": 1.2,
    "ath": 2.0,
    "dip": -0.8,
    "correction": -1.2,
    "outflows": -1.2,
    "inflows": 1.2,
    "halving": 0.8,
    "shares": 0.0,
    "share": 0.0,
}
FULL_NAMES = {
    "BTC": ("bitcoin",),
    "ETH": ("ethereum",),
    "SOL": ("solana",),
    "ADA": ("cardano",),
    "LINK": ("chainlink",),
    "LTC": ("litecoin",),
    "XRP": ("ripple",),
    "DOGE": ("dogecoin",),
    "BNB": ("binance coin",),
    "AAPL": ("apple",),
    "MSFT": ("microsoft",),
    "GOOG": ("google", "alphabet"),
    "IBM": ("ibm",),
}


def score_posts(posts: pd.DataFrame, *, bases: Sequence[str]) -> pd.DataFrame:
    """SCORES of POSTS: the compound score of title and text, known when the post was known.

    ``subjects`` are those of ``bases`` that the post names: by cashtag or ticker in capitals, or by full name
    in any case (so that a "link" or "sol" in a sentence is no asset).
    """
    texts = [_text(title, text) for title, text in zip(posts["title"], posts["text"], strict=True)]
    analyzer = _analyzer()
    patterns = [(base, _pattern(base)) for base in bases]
    scores = np.array([analyzer.polarity_scores(text)["compound"] for text in texts], dtype=np.float64)
    made = pd.DataFrame(
        {
            "source": posts["source"].to_numpy(),
            "post_id": posts["post_id"].to_numpy(),
            "scorer": SCORER,
            "score": np.clip(scores, -1.0, 1.0),
            "subjects": [",".join(base for base, pattern in patterns if pattern.search(text)) for text in texts],
            "event_time": posts["event_time"].array,
            "knowledge_time": posts["knowledge_time"].array,
        }
    )
    return made[list(SCORE_COLUMNS)]


def _text(title: str, text: str) -> str:
    return f"{title}. {text}"[:LONGEST_TEXT] if title else str(text)[:LONGEST_TEXT]


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    analyzer.lexicon.update(FIELD_WORDS)
    return analyzer


@cache
def _pattern(base: str) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in FULL_NAMES.get(base, ()))
    ticker = rf"\$?\b{re.escape(base)}\b"
    cashtag = rf"\$(?i:{re.escape(base)})\b"
    full = rf"|\b(?i:{names})\b" if names else ""
    return re.compile(f"{ticker}|{cashtag}{full}")
