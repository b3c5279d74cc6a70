"""`tidemill init`: a commented settings file, and the deployments of other modes."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, SecretStr

from tidemill.domain.errors import DataError
from tidemill.pages.output_files import need_writable, write_text
from tidemill.settings import FILE_NAME, Settings

MODES = ("paper", "sandbox", "live")
HEAD = """\
# Settings of Tidemill. Every line is a default; take the # away to change it. An environment variable
# TIDEMILL_<NAME> (nested with two underscores, as in TIDEMILL_VENUE__KEY) wins over this file.
# Keep keys and passwords out of it: set them in the environment.
"""


def write_initial_files(folder: Path, mode: str, *, force: bool) -> list[Path]:
    """Write ``tidemill.toml`` and, for another mode than paper, ``prefect-<mode>.yaml``; the paths written.

    DataError for an unknown mode, or when a file is there and ``force`` is not given; ConfigurationError when one
    cannot be written. Nothing is written then.
    """
    if mode not in MODES:
        raise DataError(f"mode '{mode}' is unknown; use one of {', '.join(MODES)}")
    files = {folder / FILE_NAME: settings_text(mode)}
    if mode != "paper":
        files[folder / f"prefect-{mode}.yaml"] = deployments_text(mode)
    for path in files:
        if path.exists() and not force:
            raise DataError(f"{path} is there already; move it away or add --force")
        need_writable(path, f"file {path.name}")
    for path, text in files.items():
        write_text(path, text, "file")
    return list(files)


def settings_text(mode: str) -> str:
    """The settings file: every setting with its meaning and default, commented out but the mode."""
    lines = [HEAD, f'mode = "{mode}"']
    groups: list[str] = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            groups += _group_lines(name, default)
        elif name != "mode":
            lines += _setting_lines(name, field.description, default)
    return "\n".join([*lines, *groups]) + "\n"


def deployments_text(mode: str) -> str:
    """The deployments of ``prefect.yaml`` for another mode."""
    return deployments_file("paper").read_text(encoding="utf-8").replace("paper", mode)


def deployments_file(mode: str) -> Path:
    """The file with the deployments of ``mode``: in the working directory, else beside the package's sources."""
    name = "prefect.yaml" if mode == "paper" else f"prefect-{mode}.yaml"
    here = Path.cwd() / name
    return here if here.exists() else Path(__file__).resolve().parents[3] / name


def _group_lines(name: str, group: BaseModel) -> list[str]:
    lines = ["", f"# [{name}]"]
    for key, field in type(group).model_fields.items():
        value = getattr(group, key)
        if isinstance(value, SecretStr):
            lines += [f"# {key}: set TIDEMILL_{name.upper()}__{key.upper()} in the environment"]
        else:
            lines += _setting_lines(key, field.description, value)
    return lines


def _setting_lines(name: str, description: str | None, value: object) -> list[str]:
    note = [f"# {description}"] if description else []
    return [*note, f"# {name} = {_toml(value)}"]


def _toml(value: object) -> str:
    if value is None:
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"'
