"""Finds an environment's interpreter: by path, by folder, or by its name in conda."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sd_bench.environments.definition import CHECKOUT, NAMES


def find_executable(named: str) -> str | None:
    """The path of the interpreter that a user names, or None.

    ``named`` may be an interpreter, a command on the PATH, the folder of an environment, or the
    name of a conda environment.
    """
    folder = Path(named).expanduser()
    if folder.is_dir():
        return _inside(folder)
    if (found := shutil.which(str(folder))) is not None:
        return found
    return next((e for e in map(_inside, _conda_folders(named)) if e is not None), None)


def default_executable(name: str) -> str | None:
    """The interpreter of ``original`` or ``optimized`` where ``environments create`` puts it."""
    if name not in NAMES:
        return None
    folders = [CHECKOUT / ".envs" / name, *_conda_folders(f"sd_bench_{name}")]
    return next((e for e in map(_inside, folders) if e is not None), None)


def _inside(folder: Path) -> str | None:
    executable = folder / "bin" / "python"
    return str(executable.absolute()) if os.access(executable, os.X_OK) else None


def _conda_folders(name: str) -> Iterator[Path]:
    """The folders of conda environments with this name; conda keeps a list of all it has made."""
    try:
        listed = (Path.home() / ".conda" / "environments.txt").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        listed = []
    roots = [os.environ.get(variable) for variable in ("CONDA_PREFIX", "MAMBA_ROOT_PREFIX")]
    beside = [Path(root) / "envs" / name for root in roots if root]
    yield from (Path(line) for line in listed if Path(line).name == name)
    yield from (folder for folder in beside if folder.is_dir())
