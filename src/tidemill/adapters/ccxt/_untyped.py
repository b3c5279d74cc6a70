"""What ccxt gives without types, by name: its clients, its classes, and what they answer."""

from __future__ import annotations

from typing import Any, TypeAlias

ExchangeClient: TypeAlias = Any
"""A client of ccxt (``ccxt.async_support`` or ``ccxt.pro``); its methods are made at run time."""
ExchangeClass: TypeAlias = type[Any]
"""A class of such clients, which is subclassed where its behaviour is to change."""
Answer: TypeAlias = Any
"""Parsed JSON of an exchange, read by name and checked where it is read."""
