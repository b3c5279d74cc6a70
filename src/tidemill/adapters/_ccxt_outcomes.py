"""What is known after one order request: a table from evidence to outcome.

The class of ccxt's exception alone decides nothing: a truncated answer comes as a bare ExchangeError and looks
like a rejection, a clock that is off is a NetworkError and is one. Only the venue's own error code in the text
proves a rejection; only its id together with ours proves an order. All else is unknown.
"""

from __future__ import annotations

import re
from typing import Any, Literal

Outcome = Literal["rejected", "unknown"]

# The venue's codes that say: this order was not placed, for certain.
REJECTING_CODES = frozenset(
    {
        -1002,  # unauthorised
        -1003,  # too many requests
        -1013,  # filter failure
        -1015,  # too many orders
        -1021,  # outside of the window
        -1022,  # signature
        -1100,
        -1101,
        -1102,
        -1103,
        -1104,
        -1105,
        -1106,
        -1111,  # precision
        -1112,
        -1115,
        -1116,
        -1117,
        -1121,  # symbol
        -1131,  # window too long
        -1145,
        -2010,  # refused by the matching engine (but see DUPLICATE)
        -2014,
        -2015,
    }
)
# The venue has an order under this id already: ask for it.
DUPLICATE = "duplicate order sent"
# Raised by ccxt before anything leaves.
NEVER_SENT = frozenset({"ArgumentsRequired", "BadSymbol", "NotSupported", "NotSent"})
BODY = "tidemill_body"
CODE = re.compile(r'"code"\s*:\s*(-?\d+)')


def judge_failure(error: BaseException) -> tuple[Outcome, str]:
    """Outcome and evidence of an exception that an order request ended with."""
    text = f"{error} {getattr(error, BODY, '')}"
    evidence = f"{type(error).__name__}: {str(error)[:300]}"
    if type(error).__name__ in NEVER_SENT:
        return "rejected", evidence
    found = CODE.search(text)
    if found and int(found[1]) in REJECTING_CODES and DUPLICATE not in text.lower():
        return "rejected", f"{found[1]} {evidence}"
    return "unknown", evidence


def is_acknowledged(answer: Any, client_order_id: str) -> bool:
    """Whether an answer carries the venue's id and ours: nothing less is an order."""
    return (
        isinstance(answer, dict)
        and bool(answer.get("id"))
        and answer.get("clientOrderId") == client_order_id
        and isinstance(answer.get("info"), dict)
        and bool(answer["info"].get("status"))
    )


def venue_code(error: BaseException) -> int | None:
    """The venue's error code in an exception's text, or None."""
    found = CODE.search(f"{error} {getattr(error, BODY, '')}")
    return int(found[1]) if found else None


def keep_body(exchange: Any) -> None:
    """Make ccxt's exceptions carry the raw answer: some of them drop the venue's code from their text."""
    judge = exchange.handle_errors

    def handle_errors(code: int, reason: str, url: str, method: str, headers: Any, body: str, *more: Any) -> Any:
        try:
            return judge(code, reason, url, method, headers, body, *more)
        except Exception as error:
            setattr(error, BODY, body)
            raise

    exchange.handle_errors = handle_errors
