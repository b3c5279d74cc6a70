"""Ids that follow from what they name: made again by another process, they are the same.

That is what lets a run that starts anew recognise the orders of the run before it, at the venue too.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from tidemill.domain.market import to_micros

ID_SCHEME = "1"
CLIENT_ORDER_ID_LENGTH = 18
REPLACEMENT_LEGS = 1000
"""Legs of a decision count from 0; an intent that takes the place of leg n has leg n + 1000."""


def decision_id(*, account: str, strategy: str, as_of: datetime, attempt: int) -> str:
    """Stable id of the decision (account, strategy, as_of, attempt): ``d`` and 17 hex digits.

    ``as_of`` is aware UTC, to the microsecond; ``attempt`` is 0 unless a person asks for another.
    """
    return "d" + _short_hash(account, strategy, str(to_micros(as_of)), str(attempt))


def intent_id(*, account: str, strategy: str, instrument: str, as_of: datetime, attempt: int, leg: int) -> str:
    """Stable id of one intent: ``s`` and 17 hex digits.

    18 alphanumerics fit the tightest client order id rule of the venues known (Kraken's free text),
    so the id itself serves as client order id where the venue takes free text.
    """
    return "s" + _short_hash(account, strategy, instrument, str(to_micros(as_of)), str(attempt), str(leg))


def replacement_id(replaced: str) -> str:
    """Stable id of the intent that takes an order's place: made again after a crash, it is the same."""
    return "s" + _short_hash("replaces", replaced)


def _short_hash(*parts: str) -> str:
    text = "\x1f".join((ID_SCHEME, *parts))
    return hashlib.sha256(text.encode()).hexdigest()[: CLIENT_ORDER_ID_LENGTH - 1]
