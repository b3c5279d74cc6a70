"""What comes in over a WebSocket, read and checked.

Streams and requests disagree in how they report what they cannot read: the former by small positive codes, the latter
by the exchange's negative ones. So there are two readers for what looks alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tidemill.venue import errors
from tidemill.venue.parameters import Parameters

LONGEST_ID = 36


@dataclass(slots=True)
class Misunderstood(Exception):
    """A control message that is not understood, with the streams' own error code.

    ``code`` as on the page "WebSocket Streams": 1 for a value of the wrong type, 2 for an invalid request, 3 for
    invalid JSON.
    """

    code: int
    message: str


def read_control(text: str) -> dict[str, Any]:
    """A message to the market streams; Misunderstood when it is none.

    The id may be an unsigned number, a text of at most 36 characters, or None; it comes back with the answer.
    """
    try:
        message = json.loads(text)
    except ValueError as error:
        raise Misunderstood(3, f"Invalid JSON: {error}") from error
    if not isinstance(message, dict):
        raise Misunderstood(3, "Invalid JSON: an object is expected")
    if not _is_id(message.get("id")):
        raise Misunderstood(2, "Invalid request: request ID must be an unsigned integer, a string or null")
    return message


def read_request(text: str) -> dict[str, Any]:
    """A request as an object; VenueError when it is none.

    -1135 for text that is no JSON object. Method and parameters are read later.
    """
    try:
        message = json.loads(text)
    except ValueError as error:
        raise errors.BAD_JSON from error
    if not isinstance(message, dict):
        raise errors.BAD_JSON
    return message


def read_parameters(sent: object) -> Parameters:
    """Parameters of a request; the signature covers them sorted by name. VenueError when they are no object.

    Sorted by name, not as sent: a JSON object has no order that a signature could rest on. None is left out.
    """
    if not isinstance(sent, dict):
        raise errors.BAD_JSON
    values = {str(name): _text(value) for name, value in sent.items() if value is not None}
    signed = "&".join(f"{name}={values[name]}" for name in sorted(values) if name != "signature")
    return Parameters(values, signed)


def _is_id(number: object) -> bool:
    if number is None:
        return True
    if isinstance(number, str):
        return len(number) <= LONGEST_ID
    # True is an int to Python, and no id to the exchange.
    return isinstance(number, int) and not isinstance(number, bool)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list | dict) else str(value)
