"""Typed, described parameters: what a person sees in the form of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

Mode = Annotated[
    Literal["replay", "paper", "sandbox", "live"],
    Field(description="Must be the mode of the settings; a run of another mode is refused."),
]
AsOf = Annotated[
    datetime | None,
    Field(description="The moment the decision pretends it is (UTC). Empty: the newest one already past."),
]
Emit = Annotated[bool, Field(description="Announce the new bars, which starts trade. Only the schedule sets this.")]
Attempt = Annotated[
    int, Field(ge=0, description="0 unless a person asks for the same as_of to be decided again, with a reason.")
]
Because = Annotated[str, Field(description="Why; required for another attempt, a halt or a resume.")]
Live = Annotated[bool, Field(description="One of the two switches of live trading; off by default.")]
