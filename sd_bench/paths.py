"""The paths of the project's files, and how a sweep's folder is given on the command line."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parent

#: Whether the package is in a checkout, not in an interpreter's site-packages.
IS_CHECKOUT = (PACKAGE_DIR.parent / "pyproject.toml").is_file()


def _conf_dir() -> Path:
    """conf/ inside an installed package, or next to the package in a checkout."""
    installed = PACKAGE_DIR / "conf"
    return installed if installed.is_dir() else PACKAGE_DIR.parent / "conf"


CONF_DIR = _conf_dir()

#: The argument that names a sweep's folder.
SWEEP_FOLDER = "hydra.sweep.dir"


def shortened(folder: Path) -> Path:
    """``folder`` relative to the current folder if it is inside it, else unchanged."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def folder_argument(folder: Path) -> str:
    """The argument that sets the sweep's folder, quoted for Hydra where needed."""
    return f"{SWEEP_FOLDER}={quoted_for_hydra(str(folder))}"


def quoted_for_hydra(text: str) -> str:
    """A value that Hydra reads as ``text``: quoted if it has characters that mean something."""
    if re.fullmatch(r"[\w/.:@%+-]*/[\w/.:@%+-]*", text, re.ASCII):
        return text
    text = re.sub(r"(\\*)\$\{", lambda m: 2 * m[1] + "\\${", text)  # no interpolation
    # In Hydra's quotes a backslash escapes only a quote, or backslashes before one.
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), text)
    return f"'{escaped}'"
