"""The arguments of a command that resumes a sweep, completed for Hydra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import ChoiceSweep, QuotedString

from sd_bench.command_lines import (
    is_only_typed,
    name_of,
    only_typed,
    shown,
    words_to_resume,
)
from sd_bench.config.hydra_arguments import parse_argument, split_flags, typed_value
from sd_bench.config.schema import RANDOM_WEIGHTS
from sd_bench.errors import ConfigError
from sd_bench.execution.sweep_folder import CLAIM
from sd_bench.paths import SWEEP_FOLDER as _FOLDER
from sd_bench.paths import folder_argument, quoted_for_hydra
from sd_bench.records.sweep_file import newest_sweep, started_with

#: Where sweeps are written by default (conf/config.yaml).
OUTPUTS = Path("multirun_outputs")
#: Settings of how a command behaves, which do not change the cells.
_HOW = (
    "resume", "retry_failed", "more_rounds", "mix_environments", "dry_run", "traceback", "verbose",
    "num_gpus", _FOLDER,
)  # fmt: skip
#: Settings that make a sweep longer or record more, with the same cells.
_HOW_LONG = (
    "protocol.rounds", "protocol.min_rounds", "protocol.max_rounds", "protocol.budget",
    "protocol.retry_disturbed", "protocol.time_limit_s", "profile", "telemetry",
)  # fmt: skip
#: Settings that are paths, relative to the working folder.
_PATHS = ("weights", "prompt_file", "time_file", "torch_env.python", "allocator.library")
#: Spellings of booleans in Hydra's configurations.
_YES = ("true", "yes", "y", "on", "1")
_NO = ("false", "no", "n", "off", "0", "")


def resumed_arguments(typed: Sequence[str]) -> list[str]:
    """``typed`` with the folder that ``resume=last`` means, and with the matrix to resume.

    The matrix is the one typed, or else the one that the sweep was started with. Both must be known
    before Hydra composes, which fixes the folder. Raises ConfigError if there is nothing to resume.
    """
    values = {name: value for name, _, value in (argument.partition("=") for argument in typed)}
    resume = values.get("resume", "false").strip("'\"").lower()
    if resume in _NO:
        return list(typed)
    if resume not in (*_YES, "last"):
        raise ConfigError(f"resume={values['resume']}: write resume=true, or resume=last")
    if resume == "last":
        if _FOLDER in values:
            raise ConfigError(
                f"resume=last finds the folder itself: write resume=true with {_FOLDER}"
            )
        folder = newest_sweep(OUTPUTS)
        if folder is None:
            raise ConfigError(f"resume=last: there is no sweep in {OUTPUTS}/ to continue")
        rest = [argument for argument in typed if not argument.startswith("resume=")]
        typed = [*rest, "resume=true", folder_argument(folder.absolute())]
    elif _FOLDER not in values:
        raise ConfigError(
            f"resume=true: name the sweep's folder ({_FOLDER}=FOLDER), or write resume=last"
        )
    else:
        folder = _folder_in(typed)
    stored = started_with(folder)
    if stored is None and not any(folder.glob(f"**/{CLAIM}")):
        raise ConfigError(
            f"{_FOLDER}={folder}: there is no sweep to continue; leave out resume=true to start one"
        )
    if matrix_arguments(typed):
        return list(typed)
    if stored is None:
        raise ConfigError(
            f"{_FOLDER}={folder}: the sweep's arguments are not stored there; give them to continue"
        )
    named = {name_of(argument) for argument in typed}
    kept = [a for a in stored if a not in typed and not (is_only_typed(a) and name_of(a) in named)]
    _require_typed(folder, kept, typed)
    return [*kept, *typed]


def _require_typed(folder: Path, stored: Sequence[str], typed: Sequence[str]) -> None:
    """Raise ConfigError if only the folder sets which program runs or which file is written.

    ``stored`` are the folder's arguments without those that the user has given another value.
    """
    now = {*typed, *stored_arguments(typed)}
    for argument in only_typed(stored):
        if argument not in now:
            raise ConfigError(
                f"{folder} was started with {argument}, which changes what runs or is written: "
                f"give it again to continue, as in {command_to_resume(folder, stored)}"
            )


def matrix_arguments(typed: Sequence[str]) -> list[str]:
    """The arguments that choose the cells."""
    _, overrides = split_flags(typed)
    names = (*_HOW, *_HOW_LONG)
    return [a for a in overrides if name_of(a) not in names and not is_only_typed(a)]


def stored_arguments(typed: Sequence[str]) -> list[str]:
    """The arguments that a command needs to resume the sweep, from any folder.

    Flags come first, each as one word; paths are made absolute.
    """
    flags, overrides = split_flags(typed)
    forgotten = {name for name in _HOW if name != "num_gpus"}
    kept = (argument for argument in overrides if name_of(argument) not in forgotten)
    return [*map(_absolute_flag, flags), *map(_absolute_paths, kept)]


def _absolute_flag(flag: str) -> str:
    name, _, value = flag.partition("=")
    is_folder = name in ("--config-dir", "--config-path") and "://" not in value
    return f"{name}={Path(value).absolute()}" if is_folder else flag


def _absolute_paths(argument: str) -> str:
    """``argument`` with absolute paths; unchanged if it has none, or an interpolation."""
    parsed = parse_argument(argument) if name_of(argument) in _PATHS else None
    if parsed is None or "${" in argument:
        return argument
    value = parsed.value()
    values = value.list if isinstance(value, ChoiceSweep) and not value.shuffle else [value]
    if not all(isinstance(each, (str, QuotedString)) for each in values):
        return argument
    paths = ",".join(_absolute(str(getattr(each, "text", each)), argument) for each in values)
    return f"{argument.partition('=')[0]}={paths}"


def _absolute(value: str, argument: str) -> str:
    """``value`` as an absolute path, quoted for Hydra; unchanged if it is a word (``random``)."""
    is_word = value in ("", RANDOM_WEIGHTS) or ("/" not in value and not Path(value).exists())
    is_file = name_of(argument) in ("time_file", "prompt_file")
    if is_word and not (is_file and value):
        return value
    return quoted_for_hydra(str(Path(value).absolute()))


def command_to_resume(folder: Path, begun_with: Sequence[str] = ()) -> str:
    """The shell command that resumes the sweep in ``folder``."""
    return shown("sd_bench", *words_to_resume(folder, begun_with))


def _folder_in(typed: Sequence[str]) -> Path:
    """The sweep's folder among the arguments, without Hydra's quotes."""
    value = typed_value(typed, _FOLDER)
    if value is None:
        raise ConfigError(f"{_FOLDER}: give the name of one folder")
    return Path(value)
