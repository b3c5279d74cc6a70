"""Answers of a ccxt client as they came: the body of each request, and klines left as text.

ccxt makes a Python object of every number, which costs more than everything else about a page of bars. Its
signing, throttling and error table stay in use; only the reading of klines is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

_bodies: ContextVar[list[str] | None] = ContextVar("tidemill_ccxt_bodies", default=None)


class KlineText(list[Any]):
    """Stands for an array of arrays that was not parsed; ``text`` is its JSON. ccxt sees an empty list."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


def keep_text(exchange: Any) -> None:
    """Let this client leave arrays of arrays unread, and tell each request's body to who asked."""
    parse, receive = exchange.on_json_response, exchange.on_rest_response

    def on_json_response(text: str) -> Any:
        wanted = _bodies.get() is not None and text.startswith("[[")
        return KlineText(text) if wanted and hasattr(exchange, "public_get_klines") else parse(text)

    def on_rest_response(*parts: Any) -> Any:
        body = receive(*parts)
        heard = _bodies.get()
        if heard is not None:
            heard.append(body)
        return body

    exchange.on_json_response, exchange.on_rest_response = on_json_response, on_rest_response


async def with_body(ask: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, str]:
    """What ``ask()`` gives, and the body of its last answer ("" when there was none)."""
    heard: list[str] = []
    token = _bodies.set(heard)
    try:
        return await ask(), heard[-1] if heard else ""
    finally:
        _bodies.reset(token)
