"""The arguments of a command that goes on with a sweep, put so that Hydra can compose them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from sd_bench.errors import ConfigError
from sd_bench.execution.sweep_folder import newest_sweep, started_with
from sd_bench.paths import SWEEP_FOLDER as _FOLDER
from sd_bench.paths import folder_argument

#: Where sweeps go by default (conf/config.yaml).
OUTPUTS = Path("multirun_outputs")
#: What says how a command behaves, and not which cells it is about.
_HOW = (
    "resume", "retry_failed", "more_rounds", "mix_environments", "dry_run", "traceback", "verbose",
    "num_gpus", _FOLDER,
)  # fmt: skip


def resumed_arguments(typed: Sequence[str]) -> list[str]:
    """``typed`` with the folder that ``resume=last`` means, and with the matrix to go on with.

    That is the one typed, or else the one that the sweep was started with: Hydra decides on the
    folder while it composes, so both have to be known before. Raises ConfigError if there is
    nothing to go on with.
    """
    values = {name: value for name, _, value in (argument.partition("=") for argument in typed)}
    resume = values.get("resume", "false").lower()
    if resume in ("false", ""):
        return list(typed)
    if resume == "last":
        if _FOLDER in values:
            raise ConfigError(f"resume=last finds the folder: write resume=true with {_FOLDER}")
        folder = newest_sweep(OUTPUTS)
        if folder is None:
            raise ConfigError(f"resume=last: there is no sweep in {OUTPUTS}/ to go on with")
        rest = [argument for argument in typed if not argument.startswith("resume=")]
        typed = [*rest, "resume=true", folder_argument(folder.absolute())]
    elif _FOLDER not in values:
        raise ConfigError(
            f"resume=true: name the sweep's folder ({_FOLDER}=FOLDER), or write resume=last"
        )
    else:
        folder = _folder_in(values[_FOLDER])
    if set(matrix_arguments(typed)) - {"-m", "--multirun"}:
        return list(typed)
    stored = started_with(folder)
    if stored is None:
        raise ConfigError(f"{_FOLDER}={folder}: no sweep to go on with; give its arguments")
    return [*stored, *typed]


def matrix_arguments(typed: Sequence[str]) -> list[str]:
    """What of a command line says which cells it is about."""
    return [argument for argument in typed if argument.partition("=")[0] not in _HOW]


def stored_arguments(typed: Sequence[str]) -> list[str]:
    """What of a command line holds for those that go on with its sweep, too."""
    kept = {name for name in _HOW if name != "num_gpus"}
    return [argument for argument in typed if argument.partition("=")[0] not in kept]


def command_to_resume(folder: Path) -> str:
    """The command line, for a shell, that goes on with the sweep in ``folder``."""
    return shlex.join(["python", "-m", "sd_bench", "resume=true", folder_argument(folder)])


def _folder_in(value: str) -> Path:
    """The inverse of ``folder_argument``, for what a user may have typed too."""
    quoted = re.fullmatch(r"(['\"])(.*)\1", value)
    return Path(value if quoted is None else quoted[2].replace("\\" + quoted[1], quoted[1]))
