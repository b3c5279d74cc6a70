"""Mistakes in settings, told in one sentence that names the setting and what to write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError

from tidemill.domain.errors import ConfigurationError

PREFIX = "TIDEMILL_"
# pydantic's kinds of mistakes of which its own words would not tell a person what to write
WRITE = {
    "tuple_type": 'write a list, such as ["BTC-USDT.BINANCE"]',
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "decimal_parsing": "write a number, such as 0.001",
    "int_parsing": "write a whole number",
    "float_parsing": "write a number",
}


def mistake_sentence(error: ValidationError, model: type[BaseModel], file: Path) -> str:
    """The first mistake in one sentence: the setting, what is wrong, and where to look.

    ``model`` is what was read, ``file`` where from beside the environment.
    """
    first = error.errors()[0]
    place = tuple(first["loc"])
    name = ".".join(map(str, place)) or "settings"
    in_list = any(isinstance(part, int) for part in place)
    where = f"(look in {file})" if in_list else f"(look in {file} and at {PREFIX}{name.upper().replace('.', '__')})"
    if first["type"] == "extra_forbidden":
        return f"there is no setting '{name}'{_near(str(place[-1]), list(_group_at(model, place[:-1])))} {where}"
    if first["type"] in WRITE:
        return f"setting '{name}' is wrong: it is {first['input']!r}; {WRITE[first['type']]} {where}"
    message = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"setting '{name}' is wrong: {message} {where}"


def check_variables(names: Iterable[str], model: type[BaseModel]) -> None:
    """ConfigurationError for the first variable that is none of ours but close to one that is."""
    settings_by_variable = {name.upper(): name.upper() for name in model.model_fields}
    nested = {
        f"{group}_{name}".upper(): f"{group}__{name}".upper()
        for group in model.model_fields
        for name in _group_at(model, [group])
    }
    # a variable of a wrong name would be ignored without a word, and its default used
    for variable in names:
        head = variable.upper().removeprefix(PREFIX).partition("__")[0]
        if not variable.upper().startswith(PREFIX) or head in settings_by_variable:
            continue
        if near := get_close_matches(head, settings_by_variable | nested, 1, 0.8):
            meant = PREFIX + (settings_by_variable | nested)[near[0]]
            raise ConfigurationError(f"there is no setting {variable}; write {meant} if that is meant, else unset it")


def _near(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, 1)
    return f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(names)}" if names else ""


def _group_at(model: type[BaseModel], place: Sequence[int | str]) -> Iterable[str]:
    """The settings of the group at ``place``; none when that is no group."""
    for part in place:
        if isinstance(part, int):
            continue
        kind = model.model_fields[part].annotation
        inner = [
            candidate
            for candidate in (kind, *get_args(kind))
            if isinstance(candidate, type) and issubclass(candidate, BaseModel)
        ]
        if not inner:
            return ()
        model = inner[0]
    return model.model_fields
