"""A tune's answer, a JSON file beside its records, which ``preset=tuned`` and other tunes read."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_bench.config.schema import Config
from sd_bench.errors import ConfigError
from sd_bench.records import write_atomically
from sd_bench.regular_files import UnusableFileError, read_json, reason_of
from sd_bench.tuning.ladder import names_of_switches

KIND = "sd_bench.tuned"
SCHEMA_VERSION = 1
FILE = "answer.json"
#: The folder of all tunes.
ROOT = Path("multirun_outputs/tune")
_LARGEST = 2**22
_SWITCH = re.compile(r"(?P<name>[\w.]+)=\w[\w-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The choice against one other finalist, as in `sd_bench.tuning.final.Versus`.

    Numbers that are NaN there are ``None`` here.
    """

    against: list[str]
    word: str
    sentence: str
    speedup: float | None
    low: float | None
    high: float | None
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What to set for one workload on one machine.

    ``overrides`` come on top of ``typed``; ``for_diffusers`` are those of the fastest candidate
    that can be written as lines for diffusers.
    """

    date: str
    workload: dict[str, Any]
    machine: dict[str, Any]
    typed: list[str]
    overrides: list[str]
    for_diffusers: list[str]
    compared: list[Compared]


def workload_of(config: Config) -> dict[str, Any]:
    """What an answer applies to: the model, and the image and batch size of a UNet call."""
    workload = config.workload
    return {
        "model_version": config.model_version.name,
        "height": workload.height,
        "width": workload.width,
        "batch_size": workload.batch_size,
    }


def name_workload(workload: Mapping[str, Any]) -> str:
    """A workload in words, for messages."""
    return (
        f"{workload['model_version']} at {workload['width']}x{workload['height']} pixels, batch "
        f"size {workload['batch_size']}"
    )


def write_answer(folder: Path, answer: Tuned) -> Path:
    """Write the answer into ``folder`` and return its path. Raises OSError."""
    data = {"kind": KIND, "schema_version": SCHEMA_VERSION, **dataclasses.asdict(answer)}
    path = folder / FILE
    write_atomically(path, json.dumps(data, indent=1, allow_nan=False) + "\n")
    return path


def read_answer(path: Path) -> Tuned:
    """Read an answer. Raises ConfigError, naming the file, if it is not an answer."""
    try:
        data = read_json(path, _LARGEST)
    except OSError as error:
        raise ConfigError(f"{path}: {reason_of(error)}; name the {FILE} of a tune") from None
    try:
        if data.pop("kind") != KIND or data.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError
        compared = [Compared(**each) for each in data.pop("compared")]
        answer = Tuned(compared=compared, **data)
        switches = names_of_switches()
        if not all(_is_switch(o, switches) for o in (*answer.overrides, *answer.for_diffusers)):
            raise ValueError
        name_workload(answer.workload)
        _ = answer.machine["device"], answer.machine["processors"], str(answer.date)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ConfigError(
            f"{path}: is not an answer of this version's tune; name the {FILE} of one"
        ) from None
    return answer


def _is_switch(override: Any, names: Collection[str]) -> bool:
    """Whether ``override`` sets one of ``names`` to a plain word.

    So a file from elsewhere cannot choose a program to run or a file to read or write.
    """
    found = _SWITCH.fullmatch(override) if isinstance(override, str) else None
    return found is not None and found["name"] in names


def find_answers(root: Path = ROOT) -> Iterator[tuple[Path, Tuned]]:
    """All usable answers below ``root``, newest first."""
    found = []
    for path in root.glob(f"*/{FILE}"):
        try:
            found.append((path, read_answer(path)))
        except (ConfigError, UnusableFileError):
            continue
    yield from sorted(found, key=lambda each: str(each[1].date), reverse=True)


def newest_for(
    workload: Mapping[str, Any], machine: Mapping[str, Any], root: Path = ROOT
) -> Tuned | None:
    """The newest answer for this workload on such a device, whatever its versions; or ``None``."""
    return next(
        (
            answer
            for _, answer in find_answers(root)
            if answer.workload == workload
            and all(answer.machine[name] == value for name, value in machine.items())
        ),
        None,
    )


def known(number: float) -> float | None:
    """``number``, or ``None`` if it is NaN or infinite, which JSON cannot store."""
    return number if math.isfinite(number) else None


def names_of_workloads(answers: Sequence[Tuned]) -> str:
    """The workloads of ``answers`` in words, each once."""
    return "; ".join(dict.fromkeys(name_workload(answer.workload) for answer in answers))
