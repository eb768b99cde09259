"""Where the project's own files are, and how a sweep's folder is written on the command line."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parent

#: Whether the package lies in a checkout, and not in an interpreter's site-packages.
IS_CHECKOUT = (PACKAGE_DIR.parent / "pyproject.toml").is_file()


def _conf_dir() -> Path:
    """conf/ inside an installed package, else beside the package in a checkout."""
    installed = PACKAGE_DIR / "conf"
    return installed if installed.is_dir() else PACKAGE_DIR.parent / "conf"


CONF_DIR = _conf_dir()

#: The argument that names a sweep's folder.
SWEEP_FOLDER = "hydra.sweep.dir"


def folder_argument(folder: Path) -> str:
    """``folder`` as Hydra can read it, whatever characters it is made of."""
    if re.fullmatch(r"[\w/.:@%+-]+", str(folder)):
        return f"{SWEEP_FOLDER}={folder}"
    escaped = str(folder).replace("'", "\\'")
    return f"{SWEEP_FOLDER}='{escaped}'"
