"""Types of parameters that several flows share; the form takes their descriptions from the docstrings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

Mode = Literal["replay", "paper", "sandbox", "live"]
AsOf = datetime | None
Emit = bool
Attempt = Annotated[int, Field(ge=0)]
Because = str
Live = bool
