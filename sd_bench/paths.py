"""Where the project's own files are, in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parent

#: Whether the package lies in a checkout, and not in an interpreter's site-packages.
IS_CHECKOUT = (PACKAGE_DIR.parent / "pyproject.toml").is_file()


def _conf_dir() -> Path:
    """conf/ inside an installed package, else beside the package in a checkout."""
    installed = PACKAGE_DIR / "conf"
    return installed if installed.is_dir() else PACKAGE_DIR.parent / "conf"


CONF_DIR = _conf_dir()
