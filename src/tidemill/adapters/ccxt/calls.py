"""One request to an exchange for market data: paced by the shared budget, tried again, its errors made ours."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from tidemill.adapters.ccxt._pages import Heard, collect_page
from tidemill.adapters.ccxt._untyped import Answer, ExchangeClient
from tidemill.adapters.ccxt.exchange import GRACE_SECONDS, LoopThread
from tidemill.adapters.pacing import LONGEST_WAIT_SECONDS, SharedBudget
from tidemill.domain.errors import DataError, TransientError
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.ports import Sleep

Work = Callable[[], Coroutine[Any, Any, Any]]
# no recording reaches back behind 1980; times in seconds all lie before it
FIRST_BAR_MS = 315_532_800_000
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a request is tried, and the pauses between: doubled each time, with jitter, or as the venue says."""

    tries: int = 4
    first_seconds: float = 0.5
    longest_seconds: float = 20.0

    def pause(self, failed: int) -> float:
        """Seconds before the next try after ``failed`` failures."""
        longest: float = min(self.longest_seconds, self.first_seconds * 2.0 ** (failed - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter, not a secret


ONCE = Patience(tries=1)


class Caller:
    """Runs the requests of one client on its thread.

    ``budget`` None: the client paces itself. TransientError, DataError and SeriesError are all that comes out.
    """

    def __init__(
        self,
        exchange: ExchangeClient,
        venue: str,
        *,
        timeout_seconds: float,
        sleep: Sleep,
        budget: SharedBudget | None = None,
        patience: Patience = ONCE,
    ) -> None:
        self._exchange = exchange
        self._venue = venue
        self._timeout = timeout_seconds + GRACE_SECONDS + (LONGEST_WAIT_SECONDS if budget else 0)
        self._sleep = sleep
        self._budget = budget
        self._patience = patience
        self._thread = LoopThread(f"ccxt market {exchange.id}")

    def call(self, work: Work) -> Answer:
        """The answer to one request; what may pass is tried again, with the pauses that the venue asks for."""
        return self.ask(work)[0]

    def ask(self, work: Work, *, as_text: bool = False) -> tuple[Any, str]:
        """The same with the body that the answer was read from, whoever else asks at the same time.

        ``as_text``: an array of arrays comes as ``KlineText``.
        """
        failed = 0
        while True:
            heard = Heard(as_text=as_text)
            try:
                return self._once(work, heard), heard.body
            except TransientError as error:
                failed += 1
                wait = error.retry_after_seconds
                if failed >= self._patience.tries or (wait or 0) > LONGEST_WAIT_SECONDS:
                    raise
                self._sleep(self._patience.pause(failed) if wait is None else wait)

    def start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """A coroutine that runs on beside the caller, until it is cancelled."""
        return self._thread.start(work)

    def close(self) -> None:
        """Close the client and its thread."""
        self._thread.run(self._exchange.close(), GRACE_SECONDS)
        self._thread.close()

    def _once(self, work: Work, heard: Heard) -> Answer:
        import ccxt

        try:
            with shape_checked(self._venue):
                return self._thread.run(collect_page(work, heard), self._timeout)
        except ccxt.BadSymbol as error:
            raise SeriesError(_refused(self._venue, error), state=SeriesState.UNKNOWN_SYMBOL) from error
        except (ccxt.BadRequest, ccxt.NotSupported) as error:
            raise DataError(_refused(self._venue, error)) from error
        except ccxt.DDoSProtection as error:
            raise self._told_to_wait(error, heard.wait_seconds) from error
        except (ccxt.BaseError, TimeoutError) as error:
            raise TransientError(f"{self._venue} does not answer: {_short(error)}") from error

    def _told_to_wait(self, error: Exception, wait: float | None) -> TransientError:
        if wait is not None and self._budget is not None:
            self._budget.pause(wait)
        return TransientError(f"{self._venue} asks for fewer requests: {_short(error)}", retry_after_seconds=wait)


@contextmanager
def shape_checked(venue: str) -> Iterator[None]:
    """What a parser trips over is an answer of another shape than the one that is known: SeriesError."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise SeriesError(
            f"{venue} answered in a shape that is not known ({_short(error)}); nothing of it was stored",
            state=SeriesState.CHANGED_SHAPE,
        ) from error


def need_empty(body: Answer, venue: str) -> None:
    """SeriesError unless an answer of which nothing was read is an empty one: it has a list, and all are empty.

    ccxt reads an answer whose key is not there as an empty one; kept as such it would say that nothing was traded.
    """
    lists = list(_lists(json.loads(body))) if body else []
    if lists and not any(lists):
        return
    raise SeriesError(
        f"{venue} answered in a shape that is not known: no bar can be read from {str(body)[:80]!r}",
        state=SeriesState.CHANGED_SHAPE,
    )


def need_times(opens: np.ndarray, now: datetime, venue: str) -> None:
    """SeriesError when open times (milliseconds) are none that bars can have: their unit or their place changed."""
    wrong = (opens < FIRST_BAR_MS) | (opens > (now.timestamp() + DAY_SECONDS) * 1000)
    if wrong.any():
        raise SeriesError(
            f"{venue} answered in a shape that is not known: {int(opens[wrong][0])} is no bar's time in milliseconds",
            state=SeriesState.CHANGED_SHAPE,
        )


def _lists(value: Answer) -> Iterator[list[Any]]:
    """Every list in a JSON value."""
    if isinstance(value, list):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for error in inner:
        yield from _lists(error)


def _refused(venue: str, error: Exception) -> str:
    return f"{venue} refused the request for market data: {_short(error)}"


def _short(error: BaseException) -> str:
    return f"{type(error).__name__} {str(error)[:160]}"
