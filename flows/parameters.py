"""Types of parameters that several flows share, and names of runs.

The form takes descriptions from the docstrings.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from tidemill.domain.market import format_time

Mode = Literal["replay", "paper", "sandbox", "live"]
AsOf = datetime | None
Emit = bool
Attempt = Annotated[int, Field(ge=0)]
Because = str
Live = bool


class RunName(str):
    """A template of run names that leaves out at its end what was not given, and tells times in UTC."""

    __slots__ = ()

    def format(self, *_positional: Any, **parameters: Any) -> str:
        """The name of a run with these parameters."""
        return super().format(**{name: _as_text(value) for name, value in parameters.items()}).rstrip("-")


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_time(value)
    return "" if value is None else value
