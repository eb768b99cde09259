"""Creates an environment from its yml: with conda if there is one, else with venv and pip."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sd_bench.environments.cuda_builds import check_cuda, pip_lines
from sd_bench.environments.definition import CHECKOUT, Definition
from sd_bench.errors import ConfigError

_CONDAS = ("mamba", "micromamba", "conda")


def create(
    wanted: Definition, at: Path | None, python: str | None, cuda: str | None = None
) -> Path:
    """Create the environment and return its folder (``at``, or the default one).

    ``python`` names the interpreter for a virtual environment, for which conda is not used.
    ``cuda`` is the CUDA version that its PyTorch is made with, by default conda's or the package
    index's. Raises ConfigError if it cannot be created.
    """
    if cuda is not None:
        check_cuda(wanted, cuda)
    folder = at or wanted.folder
    if folder.exists():
        raise ConfigError(f"{folder}: exists already; remove it first, or name another with --at")
    conda = find_conda()
    if conda is not None and python is None and cuda in (None, wanted.conda_cuda):
        _run([conda, "env", "create", "--file", str(wanted.file), "--prefix", str(folder)])
        return folder
    interpreter = python or _interpreter(wanted.python)
    _check_version(interpreter, wanted)
    _run([interpreter, "-m", "venv", str(folder)])
    arguments = [part for line in pip_lines(wanted, cuda) for part in _pip_arguments(line)]
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", *arguments])
    return folder


def find_conda() -> str | None:
    """The path of mamba, micromamba or conda, the fastest that is on the PATH; None without."""
    return next((found for name in _CONDAS if (found := shutil.which(name))), None)


def _pip_arguments(line: str) -> list[str]:
    """A line of the pip section as arguments for pip: ``-e .`` is two."""
    return line.split(maxsplit=1) if line.startswith("-") else [line]


def _interpreter(version: str) -> str:
    """An interpreter of this version, on the PATH or in pyenv. Raises ConfigError without one."""
    candidates = [shutil.which(f"python{version}"), *map(str, _pyenvs(version))]
    for candidate in candidates:
        if candidate is not None and _version(candidate) == version:
            return candidate
    raise ConfigError(
        f"no Python {version} and no conda found: install one of them, or name an interpreter "
        "with --python"
    )


def _pyenvs(version: str) -> Iterator[Path]:
    yield from sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))


def _version(interpreter: str) -> str | None:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run(
            [interpreter, "-c", code], capture_output=True, text=True, timeout=60, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _check_version(interpreter: str, wanted: Definition) -> None:
    found = _version(interpreter)
    if found is None:
        raise ConfigError(f"--python {interpreter}: is not a working Python")
    if found != wanted.python:
        raise ConfigError(
            f"--python {interpreter}: is Python {found}, {wanted.file.name} needs {wanted.python}"
        )


def _run(command: list[str]) -> None:
    """Run a command in the checkout, with its output on the screen. Raises ConfigError."""
    print("+ " + " ".join(command), flush=True)
    try:
        subprocess.run(command, check=True, cwd=CHECKOUT)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "strerror", None) or f"exit code {getattr(error, 'returncode', 1)}"
        raise ConfigError(f"{command[0]} failed ({reason}); its output above says why") from None
