"""The arguments of a command that goes on with a sweep, put so that Hydra can compose them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from sd_bench.config.hydra_arguments import split_flags
from sd_bench.errors import ConfigError
from sd_bench.execution.sweep_folder import CLAIM, newest_sweep, started_with
from sd_bench.paths import SWEEP_FOLDER as _FOLDER
from sd_bench.paths import folder_argument

#: Where sweeps go by default (conf/config.yaml).
OUTPUTS = Path("multirun_outputs")
#: What says how a command behaves, and not which cells it is about.
_HOW = (
    "resume", "retry_failed", "more_rounds", "mix_environments", "dry_run", "traceback", "verbose",
    "num_gpus", _FOLDER,
)  # fmt: skip
#: What makes a sweep longer, or keeps more of it, with the same cells.
_HOW_LONG = (
    "protocol.rounds", "protocol.min_rounds", "protocol.max_rounds", "protocol.budget",
    "protocol.retry_disturbed", "protocol.time_limit_s", "profile", "telemetry",
)  # fmt: skip
#: What decides which program runs and which file is written: never taken from a folder.
_ONLY_TYPED = ("torch_env.python", "time_file")
_ONLY_TYPED_BEGINS = ("--config-", "hydra.launcher", "hydra.sweeper", "hydra.callbacks", "hydra/")
#: How Hydra's configurations spell a boolean.
_YES = ("true", "yes", "y", "on", "1")
_NO = ("false", "no", "n", "off", "0", "")


def resumed_arguments(typed: Sequence[str]) -> list[str]:
    """``typed`` with the folder that ``resume=last`` means, and with the matrix to go on with.

    That is the one typed, or else the one that the sweep was started with: Hydra decides on the
    folder while it composes, so both have to be known before. Raises ConfigError if there is
    nothing to go on with.
    """
    values = {name: value for name, _, value in (argument.partition("=") for argument in typed)}
    resume = values.get("resume", "false").strip("'\"").lower()
    if resume in _NO:
        return list(typed)
    if resume not in (*_YES, "last"):
        raise ConfigError(f"resume={values['resume']}: write resume=true, or resume=last")
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
    stored = started_with(folder)
    if stored is None and not any(folder.glob(f"**/{CLAIM}")):
        raise ConfigError(
            f"{_FOLDER}={folder}: there is no sweep to go on with; without resume=true one begins"
        )
    if matrix_arguments(typed):
        return list(typed)
    if stored is None:
        raise ConfigError(f"{_FOLDER}={folder}: no sweep to go on with; give its arguments")
    _refuse_what_a_folder_may_not_say(folder, stored, typed)
    return [*stored, *typed]


def _refuse_what_a_folder_may_not_say(
    folder: Path, stored: Sequence[str], typed: Sequence[str]
) -> None:
    """Which program runs and which file is written is up to whoever types the command.

    Raises ConfigError.
    """
    now = only_typed(stored_arguments(typed))
    for argument in only_typed(stored):
        if argument not in now:
            raise ConfigError(
                f"{folder} was begun with {argument}, which decides what runs or is written: type "
                f"it again to go on with that, as in {command_to_resume(folder, stored)}"
            )


def matrix_arguments(typed: Sequence[str]) -> list[str]:
    """What of a command line says which cells it is about."""
    _, overrides = split_flags(typed)
    names = (*_HOW, *_HOW_LONG)
    return [a for a in overrides if _name(a) not in names and not _is_only_typed(a)]


def only_typed(arguments: Sequence[str]) -> list[str]:
    """What of a command line decides which program runs or which file is written."""
    flags, overrides = split_flags(arguments)
    return [argument for argument in (*flags, *overrides) if _is_only_typed(argument)]


def _is_only_typed(argument: str) -> bool:
    name = _name(argument)
    return name in _ONLY_TYPED or name.startswith(_ONLY_TYPED_BEGINS)


def _name(argument: str) -> str:
    return argument.lstrip("+~").partition("=")[0]


def stored_arguments(typed: Sequence[str]) -> list[str]:
    """What of a command line holds for those that go on with its sweep, too, from any folder."""
    flags, overrides = split_flags(typed)
    kept = {name for name in _HOW if name != "num_gpus"}
    return [*map(_absolute, flags), *(a for a in overrides if _name(a) not in kept)]


def _absolute(flag: str) -> str:
    name, _, value = flag.partition("=")
    is_folder = name in ("--config-dir", "--config-path") and "://" not in value
    return f"{name}={Path(value).absolute()}" if is_folder else flag


def command_to_resume(folder: Path, begun_with: Sequence[str] = ()) -> str:
    """The command line, for a shell, that goes on with the sweep in ``folder``."""
    words = ["python", "-m", "sd_bench", "resume=true", folder_argument(folder)]
    return shlex.join([*words, *only_typed(begun_with)])


def _folder_in(value: str) -> Path:
    """The inverse of ``folder_argument``, for what a user may have typed too."""
    quoted = re.fullmatch(r"(['\"])(.*)\1", value)
    return Path(value if quoted is None else quoted[2].replace("\\" + quoted[1], quoted[1]))
