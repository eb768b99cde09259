"""The command lines that are printed to be typed: each works in the shell that the program is in.

May import ``paths``.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from sd_bench.paths import folder_argument

#: The console scripts, by the module that each runs.
_SCRIPTS = {"sd_bench": "sd-bench", "analysis": "sd-bench-analysis"}
#: What decides which program runs and which file is written: never taken from a folder.
_ONLY_TYPED = ("torch_env.python", "time_file", "cluster")
_ONLY_TYPED_BEGINS = (
    "--config-", "hydra.launcher", "hydra.sweeper", "hydra.callbacks", "hydra.searchpath", "hydra/",
)  # fmt: skip


def program(module: str) -> list[str]:
    """The words that run ``module`` in the shell that this program was started from.

    They name the console script if the program was started by one, else an interpreter: by a name
    that leads to this one, or else by its path.
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
    """Whether the shell runs ``executable`` by that name: the interpreters of virtual environments
    are one file, and differ in their folder.
    """
    found = shutil.which(name)
    if found is None or not executable.is_file():
        return False
    path = Path(found).absolute()
    is_beside = path.parent.resolve() == executable.absolute().parent.resolve()
    return is_beside and path.samefile(executable)


def shown(*words: str) -> str:
    """``shown("sd_bench", "--help")``: a module with its arguments, for a shell."""
    module, *arguments = words
    return shlex.join([*program(module), *arguments])


def as_operand(path: Path) -> list[str]:
    """A path among a command's arguments: one that begins with a dash is not an option."""
    return [f"./{path}" if str(path).startswith("-") else str(path)]


def only_typed(arguments: Iterable[str]) -> list[str]:
    """What of a command line decides which program runs or which file is written.

    Flags hold their value, as in ``--config-dir=FOLDER``.
    """
    return [argument for argument in arguments if is_only_typed(argument)]


def is_only_typed(argument: str) -> bool:
    name = name_of(argument)
    return name in _ONLY_TYPED or name.startswith(_ONLY_TYPED_BEGINS)


def name_of(argument: str) -> str:
    """The name that an argument gives a value to."""
    return argument.lstrip("+~").partition("=")[0]


def words_to_resume(
    folder: Path, begun_with: Sequence[str] = (), more_rounds: int | None = None
) -> list[str]:
    """The arguments that go on with the sweep in ``folder``, which was ``begun_with`` others."""
    more = [] if more_rounds is None else [f"more_rounds={more_rounds}"]
    return ["resume=true", *more, folder_argument(folder), *only_typed(begun_with)]
