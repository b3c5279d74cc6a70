"""Every error that Tidemill raises on purpose.

::

    TidemillError
    ├── TransientError       the other side or the network failed; the same call may succeed later
    ├── DataError            what came in is wrong; the sentence names the thing and the way out
    │   └── StrategyError    a strategy failed, or gave what cannot be used
    ├── TradingError         an order may not be sent, or the ledger and the venue disagree
    │   ├── LeaseLost        another run holds the account
    │   ├── OrderExpired     an intent is too old to be sent
    │   └── TradingStopped   a freeze or a halt stands
    └── ConfigurationError   settings, keys or stores; a person must change something

A venue's rejection of an order is a *result*, not an error. An exception from a broker means
"we do not know" (TransientError) or "we are misconfigured" (ConfigurationError).
"""


class TidemillError(Exception):
    """Root of the tree; its text is one sentence for a person.

    Flows print it as it is, so it says what is wrong and, where there is one, the way out. It never holds a key.
    """


class TransientError(TidemillError):
    """The call failed for a reason that may pass.

    ``retry_after_seconds`` is set where the other side said when to come back.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DataError(TidemillError):
    """Input that cannot be used: a malformed file, an unknown instrument, a time without zone.

    Trying again does not help. Where one item of many is meant, the others go on.
    """


class StrategyError(DataError):
    """A strategy raised, or gave what cannot be used; the sentence names it, the time and the instrument.

    The strategy's own exception is its cause (``__cause__``) where there was one. No intent is made from such a
    decision.
    """


class TradingError(TidemillError):
    """Trading must not go on here.

    Raised before anything is sent. Orders that rest at the venue are not touched by it.
    """


class LeaseLost(TradingError):
    """The account's lease is held by another run, or its epoch has moved on.

    The epoch is checked inside the transaction of each write, so the run that lost it writes nothing more, even when
    it woke late.
    """


class OrderExpired(TradingError):
    """The market's time is past what its decision allowed for the order.

    Nothing is sent, and the next decision starts from what is held then.
    """


class TradingStopped(TradingError):
    """A freeze of the instrument or account, or a halt, forbids the order.

    It stands until a person resumes with a reason.
    """


class ConfigurationError(TidemillError):
    """A setting, a key or a store is missing or contradicts another.

    It is not retried: only a person can mend it.
    """
