"""What an environment consists of, read from its ``environment-*.yml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sd_bench.errors import ConfigError
from sd_bench.paths import IS_CHECKOUT, PACKAGE_DIR

#: The environments that the command knows; each has its yml and its option of ``torch_env``.
NAMES = ("original", "optimized")
CHECKOUT = PACKAGE_DIR.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """``python`` is the wanted version (major.minor), ``pip`` the lines of the pip section.

    ``conda_name`` is what conda calls the environment, ``conda_cuda`` the CUDA version that conda
    takes for it, if the yml names one; ``folder`` is where it is made without conda, ``lock`` the
    file with the version of every package.
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
    """Read the yml of ``name``. Raises ConfigError outside a checkout, which has them."""
    if not IS_CHECKOUT:
        raise ConfigError(
            "the environments are made from a checkout's environment-*.yml: run this in one"
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
