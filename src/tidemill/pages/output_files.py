"""Files and folders that a person names: looked at before the work whose outcome goes there."""

from __future__ import annotations

import os
from pathlib import Path

from tidemill.domain.errors import ConfigurationError


def need_writable(path: Path, what: str) -> Path:
    """``path`` if a file can be written there; ConfigurationError says what is in the way. Nothing is written."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigurationError(f"the {what} cannot be written: there is no folder {folder}; make it first")
    if path.is_dir():
        raise ConfigurationError(f"the {what} cannot be written: {path} is a folder; name a file in it")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigurationError(f"the {what} cannot be written: {path} may not be written by you; choose another file")
    return path


def write_text(path: Path, text: str, what: str) -> None:
    """Write a whole file; ConfigurationError names it when that cannot be done."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the {what} {path} cannot be written: {error.strerror}; choose another") from error


def make_folder(folder: Path) -> Path:
    """``folder``, made if it is not there; ConfigurationError when it cannot be, or is not to be written in."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise ConfigurationError(f"{folder} cannot be written; set TIDEMILL_HOME to a folder of yours")
    return folder
