"""Runs of the published scripts: the text files of ``--time_file`` and the published CSVs.

They hold only runtimes, so the choices come from file and folder names, and everything else stays
unknown: no environment, no kernel proof, no output. Nothing shows which of them ran side by side
either, so their rounds are never paired.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from analysis.ingest.rows import RoundRow
from sd_bench.records import read_text, reason_of
from sd_bench.records.old_names import PRESETS as OLD_PRESETS
from sd_bench.records.old_names import name_published, rename_setting
from sd_bench.verdicts.axes import AXES, PUBLISHED_PRESETS
from sd_bench.verdicts.environments import UNKNOWN

#: Names of presets, the longest first: after a preset comes the GPU, in any number of words.
_PRESETS = "|".join(sorted((*PUBLISHED_PRESETS, *OLD_PRESETS), key=len, reverse=True))
_WORK = r"_n_samples_(?P<batch_size>\d+)_n_iter_(?P<n_iter>\d+)_(?P<model_version>sd\w*)"
_KNOWN = re.compile(rf"(?P<preset>original\w*?_pt2|{_PRESETS})_(?P<gpu>\w+){_WORK}")
_NAME = re.compile(rf"(?P<preset>\w+?)_(?P<gpu>[A-Za-z0-9]+){_WORK}")
_OF_FOLDER = re.compile(rf"(?P<gpu>\w+){_WORK}")
_RUNS_NAME = re.compile(r"(?P<model_version>sd\w*?)_(?P<gpu>[A-Za-z0-9]+)_batch(?P<batch_size>\d+)")
_FORM = "PRESET_GPU_n_samples_N_n_iter_N_MODEL"
_SUFFIXES = (".txt", ".csv", "")

#: Most bytes read of a file of runtimes, usually a few kB, and characters that an error quotes.
_LARGEST_FILE, _MOST_SHOWN = 2**24, 60

#: The choices that are numbers; the others are text.
_NUMBERS = ("batch_size", "n_iter")


class OldRunsError(ValueError):
    """A file that is not understood; the message is one line that names it."""


def find_old_runs(folder: Path) -> list[Path]:
    """The files below ``folder`` that may hold runtimes, in a stable order.

    Files that the analysis itself wrote there are left out.
    """
    found = (path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
    return sorted(path for path in found if not path.name.startswith(".") and not _is_own(path))


def _is_own(path: Path) -> bool:
    """Whether it is a CSV that the analysis wrote: the same table is there in other formats."""
    stem = path.stem.removesuffix("_full")
    forms = (path.with_name(stem + suffix) for suffix in (".md", ".tex", ".html"))
    beside = path.with_name("published_study.md")
    return path.suffix == ".csv" and (beside.is_file() or all(form.is_file() for form in forms))


def read_old_runs(
    path: Path,
    numbers: Iterator[int] | None = None,
    on_left_out: Callable[[str], None] | None = None,
) -> list[RoundRow]:
    """One round per runtime, with what is known about it.

    ``numbers`` numbers the rounds across several files. ``on_left_out`` is called for each row of a
    CSV that is not understood; without it such a row is an error. Raises OldRunsError.
    """
    try:
        text = read_text(path, _LARGEST_FILE)
    except OSError as error:
        raise OldRunsError(f"{path}: not readable ({reason_of(error)})") from error
    if path.suffix == ".csv":
        try:
            found = list(_read_csv(path, text, on_left_out))
        except csv.Error as error:
            raise OldRunsError(f"{path}: not a CSV of runtimes as published ({error})") from None
    else:
        found = list(_read_times(path, text))
    rows = [
        _row(path, choices, runtime_s, number, order)
        for number, (choices, runtime_s, order) in zip(numbers or count(), found, strict=False)
    ]
    if not rows:
        raise OldRunsError(f"{path}: contains no runtime")
    return rows


def _read_times(path: Path, text: str) -> Iterator[tuple[dict[str, Any], float, int]]:
    choices = _named(path)
    for line, entry in enumerate(text.split()):
        yield choices, _seconds(path, entry), line


def _named(path: Path) -> dict[str, Any]:
    """The choices in the file's name, or those in its folder's name with the file as preset."""
    for name in (path.stem, path.name):
        if found := _KNOWN.fullmatch(name) or _NAME.fullmatch(name):
            return _with_present_names(found.groupdict())
    of_folder = _OF_FOLDER.fullmatch(path.parent.name)
    if of_folder and not _KNOWN.fullmatch(path.parent.name):
        return _with_present_names(of_folder.groupdict() | {"preset": path.stem})
    raise OldRunsError(f"{path}: its name is not of the form {_FORM}.txt")


def _with_present_names(choices: dict[str, Any]) -> dict[str, Any]:
    return choices | {"preset": name_published(choices["preset"], str(choices["model_version"]))}


def _read_csv(
    path: Path, text: str, on_left_out: Callable[[str], None] | None
) -> Iterator[tuple[dict[str, Any], float, int]]:
    lines = csv.DictReader(text.splitlines(), delimiter=_delimiter(text))
    lines.fieldnames = [rename_setting(name) for name in lines.fieldnames or ()]
    columns = set(lines.fieldnames)
    of_name = _RUNS_NAME.match(path.stem)
    named = of_name.groupdict() if of_name else {}
    if not {"preset", "runtime_s"} <= columns or not {
        "gpu", "batch_size", "model_version",
    } <= columns | named.keys():  # fmt: skip
        raise OldRunsError(f"{path}: not a CSV of runtimes as published")
    for at, line in enumerate(lines):
        if not any(value for value in line.values()):
            continue  # an empty last row
        try:
            choices = named | {axis: line[axis].strip() for axis in AXES if line.get(axis)}
            for axis in _NUMBERS:
                if axis in choices:
                    choices[axis] = _whole_number(axis, choices[axis])
            seconds = _seconds(path, line["runtime_s"])
            order = _whole_number("run_number", line.get("run_number") or str(at))
            yield _with_present_names(choices), seconds, order
        except OldRunsError as error:
            reason = str(error).removeprefix(f"{path}: ")
            message = f"{path}: row {lines.line_num}: {reason}"
            if on_left_out is None:
                raise OldRunsError(message) from None
            on_left_out(message)


def _delimiter(text: str) -> str:
    """The separator of the first row: in many countries spreadsheets write ``;``."""
    first, *_ = text.splitlines() or [""]
    return max((",", ";", "\t"), key=first.count)


def _whole_number(name: str, text: str) -> int:
    """A number that a spreadsheet may have written as ``4.0`` or ``4,0``."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not (number.is_integer() and 0 <= number < 2**53):
        raise OldRunsError(f"{name} is {text[:_MOST_SHOWN]!r}, not a whole number")
    return int(number)


def _seconds(path: Path, text: str) -> float:
    try:
        runtime_s = float(text.replace(",", "."))  # may have a decimal comma
    except (AttributeError, ValueError):
        runtime_s = math.nan
    if not 0 < runtime_s < math.inf:
        shown = text[:_MOST_SHOWN] if isinstance(text, str) else text
        raise OldRunsError(f"{path}: {shown!r} is not a runtime in seconds")
    return runtime_s


def _row(
    path: Path, choices: dict[str, Any], runtime_s: float, number: int, order: int
) -> RoundRow:
    known: dict[str, Any] = {axis: choices.get(axis) for axis in AXES}
    known |= {axis: int(choices[axis]) for axis in _NUMBERS if axis in choices}
    known["gpu"] = str(known["gpu"]).lower()
    n_iter = known["n_iter"]
    return RoundRow(
        path=str(path),
        sweep=str(path.parent),
        sweep_folder=os.path.realpath(path.parent),
        job=path.name,
        cell_hash="-".join(str(known[axis]) for axis in AXES),
        round=number,
        status="ok",
        reason="",
        started_at=f"line {order:09d}",
        **known,
        runtime_s=runtime_s,
        num_iterations=n_iter or 0,
        median_iteration_s=runtime_s if n_iter == 1 else math.nan,
        kernel_proof="none",
        fingerprint=f"{UNKNOWN}, {path.parent}",
        torch=UNKNOWN,
        python=UNKNOWN,
        device=UNKNOWN,
        commit=UNKNOWN,
    )
