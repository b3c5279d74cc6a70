"""Scores of posts: their range, their tone, what they name, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from support.locations import need

from tidemill.ports import POST_COLUMNS, SCORE_COLUMNS
from tidemill.scoring import FIELD_WORDS, LONGEST_TEXT, NEUTRAL_WORDS, SCORER, _analyzer, score_posts

NOW = datetime(2021, 4, 18, 12, tzinfo=UTC)
BASES = ("BTC", "ETH", "SOL", "ADA", "LINK", "LTC", "AAPL", "GOOG", "IBM", "T")


def make_posts(*texts: str, title: str = "") -> pd.DataFrame:
    created = pd.DatetimeIndex([NOW + timedelta(minutes=number) for number in range(len(texts))]).as_unit("us")
    ids = [str(number) for number in range(len(texts))]
    known = {"event_time": created, "knowledge_time": created + timedelta(seconds=5), "assumed": True}
    frame = {"source": "x", "post_id": ids, "channel": "x", "title": title, "text": list(texts), **known}
    return pd.DataFrame(frame)[list(POST_COLUMNS)]


def score_of(text: str, title: str = "") -> float:
    return float(score_posts(make_posts(text, title=title), bases=BASES)["score"].iloc[0])


def subjects_of(text: str) -> str:
    return str(score_posts(make_posts(text), bases=BASES)["subjects"].iloc[0])


def test_scores_have_the_columns_and_times_of_their_posts() -> None:
    posts = make_posts("good", "bad")
    scores = score_posts(posts, bases=BASES)
    assert list(scores.columns) == list(SCORE_COLUMNS)
    assert set(scores["scorer"]) == {SCORER}
    for name in ("source", "post_id", "event_time", "knowledge_time"):
        assert scores[name].tolist() == posts[name].tolist()
    assert scores["score"].dtype == np.float64


def test_no_posts_give_no_scores() -> None:
    empty = score_posts(make_posts("x").iloc[:0], bases=BASES)
    assert list(empty.columns) == list(SCORE_COLUMNS)
    assert not len(empty)


@pytest.mark.parametrize("text", ["bullish on this", "BTC surges to a new high", "profits soared", "beats estimates"])
def test_good_news_is_positive(text: str) -> None:
    assert score_of(text) > 0.2


@pytest.mark.parametrize(
    "text", ["bearish", "the exchange was hacked", "shares plunge", "bankruptcy filed", "not bullish"]
)
def test_bad_news_is_negative(text: str) -> None:
    assert score_of(text) < -0.2


@pytest.mark.parametrize(
    "text", ["", " ", "1,000 shares were issued", "SHARES of the trust-owned fund", "12345", "。。。"]
)
def test_what_has_no_tone_scores_zero(text: str) -> None:
    assert score_of(text) == 0.0


def test_the_title_counts_as_well() -> None:
    assert score_of("see inside", title="What a great day") > 0.2
    assert score_of("great", title="") == score_of("", title="great")


def test_only_the_beginning_counts() -> None:
    assert score_of("word " * (LONGEST_TEXT // 5) + "terrible") == 0.0


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("bitcoin and Ethereum", "BTC,ETH"),
        ("BTC btc #btc $btc BTC/USDT bitcoin's", "BTC"),
        ("$LINK", "LINK"),
        ("$link to the moon", "LINK"),
        ("click the link below", ""),
        ("Link in bio", ""),
        ("chainlink", "LINK"),
        ("LINK!", "LINK"),
        ("her name is Ada", ""),
        ("ADA, cardano", "ADA"),
        ("el sol", ""),
        ("solana vs SOL", "SOL"),
        ("an apple a day", ""),
        ("Apple beats estimates", "AAPL"),
        ("APPLE and GOOGL", "AAPL,GOOG"),
        ("the alphabet", ""),
        ("ibm", "IBM"),
        ("T", ""),
        ("$T pays a dividend", "T"),
        ("method, bitcoiner, ETHX, BTC_1", ""),
        ("", ""),
    ],
)
def test_assets_are_named_by_ticker_cashtag_or_name(text: str, subjects: str) -> None:
    assert subjects_of(text) == subjects


def test_a_base_without_a_known_name_is_found_by_its_ticker() -> None:
    scores = score_posts(make_posts("buying ZRX", "zrx", "$zrx"), bases=("ZRX",))
    assert scores["subjects"].tolist() == ["ZRX", "", "ZRX"]


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_a_score_lies_within_its_range_and_is_the_same_every_time(title: str, text: str) -> None:
    posts = make_posts(text, title=title)
    first, second = (score_posts(posts, bases=BASES) for _ in range(2))
    assert first["score"].between(-1.0, 1.0).all()
    pd.testing.assert_frame_equal(first, second)


near = ["not", "never", "so", "this", "good", "bad", "but", "without", "doubt", "least", "very", "kind", "of", "the"]
words = st.sampled_from([*near, "bomb", "hit", "moon", "no", "or", "GREAT"])


@settings(max_examples=200, deadline=None)
@given(st.lists(words, max_size=14))
def test_looking_at_near_words_only_changes_nothing_of_vader(chosen: list[str]) -> None:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    plain = SentimentIntensityAnalyzer.__new__(SentimentIntensityAnalyzer)
    plain.lexicon, plain.emojis = _analyzer().lexicon, _analyzer().emojis
    text = " ".join(chosen)
    assert _analyzer().polarity_scores(text) == plain.polarity_scores(text)


def test_no_word_has_two_weights() -> None:
    every = [word for words in (*FIELD_WORDS.values(), NEUTRAL_WORDS) for word in words.split()]
    assert len(every) == len(set(every))
    assert all(-4 <= weight <= 4 and weight != 0 for weight in FIELD_WORDS)


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "plain", "least"),
    [
        ("financial_phrasebank_allagree", (0.571, 0.487), (0.62, 0.55)),
        ("financial_phrasebank_50agree", (0.543, 0.489), (0.57, 0.53)),
        ("twitter_financial_news_train", (0.481, 0.438), (0.50, 0.48)),
    ],
)
def test_how_good_it_is_on_labelled_texts(
    file: str,
    plain: tuple[float, float],
    least: tuple[float, float],
    record_property: Callable[[str, object], None],
) -> None:
    """Accuracy and macro F1, against what VADER alone was measured at; on none of them was anything tuned."""
    labelled = pd.read_csv(need(f"sentiment_labelled/{file}.csv.gz"))
    scores = score_posts(make_posts(*labelled["text"]), bases=())["score"].to_numpy()
    told = np.where(scores >= 0.05, "positive", np.where(scores <= -0.05, "negative", "neutral"))
    measured = accuracy_score(labelled["label"], told), f1_score(labelled["label"], told, average="macro")
    majority = labelled["label"].value_counts(normalize=True).iloc[0]
    text = f"{file}: accuracy {measured[0]:.3f}, macro F1 {measured[1]:.3f} (always the most common: {majority:.3f})"
    record_property("sentiment", text)
    assert measured[0] >= least[0], text
    assert measured[1] >= least[1], text
    assert measured[0] > plain[0], text
    assert measured[1] > plain[1], text
