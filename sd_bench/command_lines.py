"""Command lines: those printed for the user to type, each for the user's current shell, and how
those that are typed are refused.

May import ``paths`` and ``errors``.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from sd_bench.errors import ConfigError
from sd_bench.paths import folder_argument

#: The console script that runs each module.
_SCRIPTS = {"sd_bench": "sd-bench", "analysis": "sd-bench-analysis"}
#: Settings that choose which program runs or which file is written: never read from a sweep folder.
_ONLY_TYPED = ("torch_env.python", "time_file", "cluster")
_ONLY_TYPED_BEGINS = (
    "--config-", "hydra.launcher", "hydra.sweeper", "hydra.callbacks", "hydra.searchpath", "hydra/",
)  # fmt: skip


class OneLineParser(argparse.ArgumentParser):
    """Raises ConfigError, with one line, for arguments that are not understood."""

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError. Called by argparse."""
        raise ConfigError(f"{message}; see {self.prog} --help")


def program(module: str) -> list[str]:
    """The words that run ``module`` in the shell that this program was started from.

    The first is the console script if the program was started by one, else this interpreter, by its
    path if neither ``python`` nor ``python3`` finds it.
    """
    script, started_as = _SCRIPTS.get(module), Path(sys.argv[0])
    if script is not None and started_as.name in _SCRIPTS.values():
        there = started_as.absolute().with_name(script)
        if _is_found_as(script, there):
            return [script]
        if there.is_file():
            return [str(there)]
    names = (name for name in ("python", "python3") if _is_found_as(name, Path(sys.executable)))
    return [next(names, sys.executable), "-m", module]


def _is_found_as(name: str, executable: Path) -> bool:
    """Whether ``name`` on the PATH is ``executable``. The folder is compared too: interpreters of
    different virtual environments may be links to one file.
    """
    found = shutil.which(name)
    if found is None or not executable.is_file():
        return False
    path = Path(found).absolute()
    is_beside = path.parent.resolve() == executable.absolute().parent.resolve()
    return is_beside and path.samefile(executable)


def shown(*words: str) -> str:
    """The command line that runs a module, as in ``shown("sd_bench", "--help")``, shell-quoted."""
    module, *arguments = words
    return shlex.join([*program(module), *arguments])


def as_operand(path: Path) -> list[str]:
    """``path`` as a command's argument that is not taken for an option if it begins with a dash."""
    return [f"./{path}" if str(path).startswith("-") else str(path)]


def only_typed(arguments: Iterable[str]) -> list[str]:
    """The arguments that choose which program runs or which file is written.

    A flag and its value are one argument, as in ``--config-dir=FOLDER``.
    """
    return [argument for argument in arguments if is_only_typed(argument)]


def is_only_typed(argument: str) -> bool:
    name = name_of(argument)
    return name in _ONLY_TYPED or name.startswith(_ONLY_TYPED_BEGINS)


def name_of(argument: str) -> str:
    """The name in an argument ``NAME=VALUE``, without Hydra's ``+`` or ``~``."""
    return argument.lstrip("+~").partition("=")[0]


def words_to_resume(
    folder: Path, begun_with: Sequence[str] = (), more_rounds: int | None = None
) -> list[str]:
    """The arguments that resume the sweep in ``folder``, which was started with ``begun_with``."""
    more = [] if more_rounds is None else [f"more_rounds={more_rounds}"]
    return ["resume=true", *more, folder_argument(folder), *only_typed(begun_with)]
