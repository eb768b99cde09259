"""The locked version of every package of an environment: ``requirements-NAME.txt``, by uv."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from sd_bench.environments.definition import CHECKOUT, NAMES, Definition, definition
from sd_bench.errors import ConfigError
from sd_bench.records import write_atomically

#: The wheels to choose from: those for any Linux from 2021 on.
_PLATFORM = "x86_64-manylinux_2_28"


def lock_all(upgrade: bool) -> list[Path]:
    """Write the lock of each environment, with the same versions in all where possible.

    Locked versions stay if they still fit, unless ``upgrade``. Returns the files. Raises
    ConfigError without uv, or if there is no solution.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise ConfigError("lock needs uv, which resolves the versions: pip install uv")
    written: list[Path] = []
    for wanted in map(definition, NAMES):
        known = [*written, *([] if upgrade else [wanted.lock])]
        write_atomically(wanted.lock, _header(wanted) + _resolved(uv, wanted, _pins(known)))
        written.append(wanted.lock)
    return written


def _resolved(uv: str, wanted: Definition, preferred: dict[str, str]) -> str:
    """The text of a lock, with the reason for each package; ``preferred`` versions if they fit."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "lock.txt"  # uv prefers the versions in the file that it writes
        lock.write_text("".join(f"{name}=={version}\n" for name, version in preferred.items()))
        command = [
            *(uv, "pip", "compile", "-", "pyproject.toml", "--output-file", str(lock)),
            *("--python-version", wanted.python, "--python-platform", _PLATFORM),
            *("--no-header", "--annotation-style", "line", "--no-progress", "--quiet"),
        ]
        asked = "\n".join(line for line in wanted.pip if not line.startswith("-"))
        done = subprocess.run(command, input=asked, capture_output=True, text=True, cwd=CHECKOUT)
        if done.returncode != 0:
            message = " ".join(done.stderr.split())
            raise ConfigError(f"lock {wanted.name}: uv found no solution: {message}")
        return lock.read_text().replace("-r -", wanted.file.name)


def _pins(locks: list[Path]) -> dict[str, str]:
    """The version of each package; an earlier lock wins."""
    pins: dict[str, str] = {}
    for lock in locks:
        pins = {**read_lock(lock), **pins} if lock.exists() else pins
    return pins


def read_lock(lock: Path) -> dict[str, str]:
    """The version of each package in a lock, by its name in lower case with hyphens."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    entries = (line.partition("#")[0].strip() for line in lines)
    return dict(entry.split("==", 1) for entry in entries if "==" in entry)


def _header(wanted: Definition) -> str:
    return (
        f"# Every package of the {wanted.name} environment, for Python {wanted.python} on Linux.\n"
        f"#   pip install -r {wanted.lock.name} -e .\n"
        "# Written by: python -m sd_bench.environments lock\n"
    )
