"""The definition of an environment, read from its ``environment-*.yml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sd_bench.errors import ConfigError
from sd_bench.paths import IS_CHECKOUT, PACKAGE_DIR

#: The environments that the command can create; each has a yml and an option of ``torch_env``.
NAMES = ("original", "optimized")
CHECKOUT = PACKAGE_DIR.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What an environment consists of.

    ``python`` is its version of Python (major.minor), ``pip`` the lines of the pip section.
    ``conda_name`` is its name in conda, ``conda_cuda`` the CUDA version that the yml names for
    conda, if any; ``folder`` is its default folder, ``lock`` the file with the version of every
    package.
    """

    name: str
    file: Path
    conda_name: str
    python: str
    pip: list[str]
    folder: Path
    lock: Path
    conda_cuda: str | None = None

    @property
    def torch(self) -> str:
        """The version of PyTorch that pip installs. Raises StopIteration where it is not pinned."""
        pin = next(line for line in self.pip if line.startswith("torch=="))
        return pin.removeprefix("torch==")


def definition(name: str) -> Definition:
    """Read the yml of ``name``. Raises ConfigError outside a checkout, where there is none."""
    if not IS_CHECKOUT:
        raise ConfigError(
            "environments are created from a checkout's environment-*.yml: run this in a checkout"
        )
    file = CHECKOUT / f"environment-{name}.yml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    dependencies: list[Any] = content["dependencies"]
    pip = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    plain = [entry for entry in dependencies if isinstance(entry, str)]
    python = next(entry for entry in plain if entry.startswith("python="))
    cuda = (entry.partition("=")[2] for entry in plain if entry.startswith("cudatoolkit="))
    return Definition(
        name=name,
        file=file,
        conda_name=content["name"],
        python=python.removeprefix("python="),
        pip=[str(line) for line in pip],
        folder=CHECKOUT / ".envs" / name,
        lock=CHECKOUT / f"requirements-{name}.txt",
        conda_cuda=next(cuda, None),
    )
