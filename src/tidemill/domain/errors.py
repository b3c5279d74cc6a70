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
    """Root of the tree; its text is one sentence for a person."""


class TransientError(TidemillError):
    """The call failed for a reason that may pass.

    ``retry_after_seconds`` is set where the other side said when to come back.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DataError(TidemillError):
    """Input that cannot be used: a malformed file, an unknown instrument, a time without zone."""


class StrategyError(DataError):
    """A strategy raised, or gave what cannot be used; the sentence names it, the time and the instrument."""


class TradingError(TidemillError):
    """Trading must not go on here."""


class LeaseLost(TradingError):
    """The account's lease is held by another run, or its epoch has moved on."""


class OrderExpired(TradingError):
    """The market's time is past what its decision allowed for the order."""


class TradingStopped(TradingError):
    """A freeze of the instrument or account, or a halt, forbids the order."""


class ConfigurationError(TidemillError):
    """A setting, a key or a store is missing or contradicts another."""
