"""Read the command line of ``tune``: its own options and the workload."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sd_bench.command_lines import name_of, shown
from sd_bench.config.budget import read_seconds
from sd_bench.config.hydra_arguments import parse_argument, with_present_names
from sd_bench.errors import ConfigError

DEFAULT_BUDGET_S = 600.0
DEFAULT_IMAGES = 1000

#: Settings of a sweep that a tune chooses itself, and what to do instead.
_NOT_HERE = {
    "protocol.budget": "write budget=10min",
    "dry_run": "the table of a tune says what cannot run, and why",
    "resume": "run the same tune again to continue it",
    "more_rounds": "run the same tune again to continue it",
    "retry_failed": "run the same tune again to continue it",
    "mix_environments": "a tune is for one machine and its versions",
    "experiment": "a tune makes its own cells",
    "num_gpus": "a tune is for one device",
    "leave_out_unsupported": "a tune leaves out what cannot run, and says why",
    "profile": "profile a cell with python -m sd_bench",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a tune was asked for.

    ``overrides`` set the workload, and choices that the tune must not change. A compiled candidate
    must pay off within ``images`` images. ``start_from`` is the file of another tune's answer,
    ``write_to`` the file for the lines for diffusers.
    """

    overrides: tuple[str, ...]
    budget_s: float = DEFAULT_BUDGET_S
    images: int = DEFAULT_IMAGES
    start_from: Path | None = None
    write_to: Path | None = None


def read_request(arguments: Sequence[str]) -> Request:
    """Read what was typed after ``tune``. Raises ConfigError with one line that says what to do."""
    rest, write_to = _take_flag([with_present_names(argument) for argument in arguments])
    own = dict.fromkeys(("budget", "images", "start_from"), "")
    overrides = []
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in own and equals:
            if not value:
                raise ConfigError(f"{name}=: has no value; leave it out, or see tune --help")
            own[name] = value
        else:
            _check_override(argument)
            overrides.append(argument)
    return Request(
        overrides=tuple(overrides),
        budget_s=_budget(own["budget"]) if own["budget"] else DEFAULT_BUDGET_S,
        images=_images(own["images"]) if own["images"] else DEFAULT_IMAGES,
        start_from=Path(own["start_from"]) if own["start_from"] else None,
        write_to=write_to,
    )


def _take_flag(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    rest: list[str] = []
    write_to, words = None, iter(arguments)
    for word in words:
        if word == "--write" or word.startswith("--write="):
            file = next(words, "") if word == "--write" else word.partition("=")[2]
            if not file or "=" in file:
                raise ConfigError("--write: name a file, as in --write faster.py")
            write_to = Path(file)
            if write_to.is_dir() or not write_to.absolute().parent.is_dir():
                raise ConfigError(f"--write {file}: name a file in an existing folder")
        else:
            rest.append(word)
    return rest, write_to


def _check_override(argument: str) -> None:
    how = shown("sd_bench", "tune", "--help")
    if argument.startswith("-"):
        raise ConfigError(f"{argument}: tune has one flag, --write FILE; see {how}")
    if "=" not in argument or not argument.partition("=")[2]:
        raise ConfigError(f"{argument}: write NAME=VALUE; see {how}")
    name = name_of(argument)
    if name in _NOT_HERE:
        raise ConfigError(f"{argument}: not in a tune: {_NOT_HERE[name]}")
    if name == "hydra" or name.startswith(("hydra.", "hydra/")):
        raise ConfigError(f"{argument}: not in a tune, whose records go to multirun_outputs/tune")
    if argument == "preset=tuned":
        raise ConfigError("preset=tuned: is what a tune finds; leave it out")
    parsed = parse_argument(argument)
    if parsed is not None and parsed.is_sweep_override():
        raise ConfigError(f"{argument}: a tune is for one workload; name one value")


def _budget(written: str) -> float:
    seconds = read_seconds(written)
    if not 0 < seconds < math.inf:
        raise ConfigError(f"budget={written}: write 270s, 10min or 2h")
    return seconds


def _images(written: str) -> int:
    if not written.isdecimal() or not 0 < int(written) < 10**12:
        raise ConfigError(
            f"images={written}: write the number of images within which compiling must pay off, as "
            "in images=1000"
        )
    return int(written)
