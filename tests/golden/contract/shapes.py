"""The shape of JSON: which keys there are and of what type each value is, as one line a path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Shape = dict[str, str]
"""Path -> types. A list is ``[]``, all its elements together; a key that is data, as an instrument, is ``<what>``."""

DATA_KEYS = (
    (re.compile(r"[A-Z0-9]+-[A-Z0-9]+\.[A-Z]+"), "<instrument>"),
    (re.compile(r"[0-9a-f]{16,64}"), "<digest>"),
    (re.compile(r"\d{4}-\d\d-\d\d.*"), "<time>"),
    (re.compile(r"\d{4}"), "<year>"),
    (re.compile(r"\d{1,2}"), "<month>"),
)


def shape_of(*values: Any) -> Shape:
    """The shape of all values together."""
    types: dict[str, set[str]] = {}
    for value in values:
        for path, name in _leaves(value, ""):
            types.setdefault(path, set()).add(name)
    return {path: "|".join(sorted(names)) for path, names in sorted(types.items())}


def collapse(shape: Shape, *parts: str) -> Shape:
    """The shape without what lies below the paths ``parts``: there the keys depend on chance."""
    return {path: types for path, types in shape.items() if not path.startswith(tuple(f"{part}." for part in parts))}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        yield path, "object"
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{_key_name(str(key))}".lstrip("."))
    elif isinstance(value, (list, tuple)):
        yield path, "list"
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    else:
        yield path, _type_name(value)


def _key_name(key: str) -> str:
    return next((name for pattern, name in DATA_KEYS if pattern.fullmatch(key)), key)


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "boolean", int: "integer", float: "number", str: "string"}.get(type(value), type(value).__name__)


def differences(golden: Any, now: Any, where: str = "") -> list[str]:
    """One sentence for each key or value that came, went or changed."""
    if isinstance(golden, Mapping) and isinstance(now, Mapping):
        went = [f"went: {where}{key!r} (was {golden[key]!r})" for key in golden if key not in now]
        came = [f"came: {where}{key!r} ({now[key]!r})" for key in now if key not in golden]
        both = [key for key in golden if key in now]
        return [
            *went,
            *came,
            *(text for key in both for text in differences(golden[key], now[key], f"{where}{key} > ")),
        ]
    if isinstance(golden, list) and isinstance(now, list):
        went = [f"went: {where}{entry!r}" for entry in golden if entry not in now]
        came = [f"came: {where}{entry!r}" for entry in now if entry not in golden]
        moved = [f"order changed: {where}"] if golden != now and not went and not came else []
        return [*went, *came, *moved]
    return [] if golden == now else [f"changed: {where}{golden!r} is now {now!r}"]
