"""The templates of the page, filled in.

Templates have no logic but choice and repetition: what they show is made in Python, by ``view`` and the modules it
uses.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

FOLDER = "templates"


def render(template: str, **values: object) -> str:
    """The template ``template`` of this package filled with ``values``; every text among them is escaped.

    A name that the template uses and ``values`` lack is an error (jinja2.UndefinedError), never an empty place.
    """
    return load_environment().get_template(template).render(**values)


@cache
def load_environment() -> Environment:
    """Jinja2 over the templates of this package, with ``asset`` for the files that go into the page as they are.

    Made once in a process. Autoescape is on for every template, whatever its name; an unknown name is an error.
    """
    environment = Environment(
        loader=PackageLoader("tidemill.pages", FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["asset"] = load_asset
    # the figures are most of the page: no spaces between them, and in the order they were made
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


def load_asset(name: str) -> str:
    """The style sheet or script ``name`` of this package.

    Our own text: a template may mark it as safe.
    """
    return resources.files("tidemill.pages").joinpath(FOLDER, name).read_text(encoding="utf-8")
