"""The search language that X and NewsAPI have in common, as far as a recording can answer it.

Words and "phrases" match whole words in any case. Side by side (or with AND) both must match, OR binds
weaker, ``-`` or NOT before a term excludes it, ``+`` changes nothing, parentheses group. Of X's operators
``lang:en`` matches every post, and ``is:retweet`` and ``is:reply`` none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from tidemill.domain.errors import DataError

Texts = Sequence[str]
Matcher = Callable[[Texts], np.ndarray]

# A sign counts as an operator only in front of a term; within a word it belongs to the word.
_TOKEN = re.compile(r"""[-+](?=["(\w$#@])|"[^"]*"|[()]|[^\s()"]+""")
_OPERATORS = {"lang:en": True, "is:retweet": False, "is:reply": False}


def compile_query(query: str) -> Matcher:
    """A function from texts to bool (len(texts),); DataError when the query is empty or incomplete.

    The function may be called with any number of texts and keeps no state. Operators of X that are not listed above are
    taken for words, so they match only texts that contain them.
    """
    parser = _Parser(query)
    matcher = parser.parse_any()
    if parser.peek() is not None:
        parser.fail()
    return matcher


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = _TOKEN.findall(query)
        self._next = 0

    def peek(self) -> str | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            self.fail()
        self._next += 1
        return str(token)

    def fail(self) -> None:
        raise DataError(f"the query '{self._query}' cannot be read near '{self.peek() or 'its end'}'")

    def parse_any(self) -> Matcher:
        """Alternatives between OR."""
        parts = [self._parse_all()]
        while self.peek() == "OR":
            self.take()
            parts.append(self._parse_all())
        return lambda texts: np.any([part(texts) for part in parts], axis=0)

    def _parse_all(self) -> Matcher:
        parts = [self._parse_one()]
        while self.peek() not in {None, ")", "OR"}:
            if self.peek() == "AND":
                self.take()
            parts.append(self._parse_one())
        return lambda texts: np.all([part(texts) for part in parts], axis=0)

    def _parse_one(self) -> Matcher:
        token = self.take()
        if token in {"-", "NOT"}:
            excluded = self._parse_one()
            return lambda texts: ~excluded(texts)
        if token == "+":  # noqa: S105 -- a sign of the query language
            return self._parse_one()
        if token == "(":  # noqa: S105
            inner = self.parse_any()
            if self.take() != ")":
                self.fail()
            return inner
        if token in {")", "OR", "AND"}:
            self._next -= 1
            self.fail()
        return _match_word(token.strip('"'))


def _match_word(word: str) -> Matcher:
    if word in _OPERATORS:
        return lambda texts: np.full(len(texts), _OPERATORS[word])
    # Not \b: a cashtag such as $BTC begins with a sign, where no word boundary lies.
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    return lambda texts: np.fromiter((pattern.search(text) is not None for text in texts), dtype=bool, count=len(texts))
