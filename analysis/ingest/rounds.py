"""Records to one tidy table: one row a round."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from fnmatch import fnmatch
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import AnalysisError
from analysis.ingest.measures import NUMBERS, OTHERS, measures
from analysis.ingest.old_runs import find_old_runs, read_old_runs
from analysis.ingest.validity import check_numbers
from sd_bench.records import RECORD_GLOB, Record, RecordError, find_records, read_record
from sd_bench.verdicts.axes import AXES, one_line, plain
from sd_bench.verdicts.environments import UNKNOWN, label_environments

#: Runtimes outside of this range (seconds) are a broken clock, not a measurement.
BELIEVABLE_SECONDS = (1e-9, 1e9)

#: The columns of a table of rounds, before the environments are labelled.
ROUND_COLUMNS = (
    "path",
    "sweep",
    "sweep_folder",
    "job",
    "cell_hash",
    "round",
    "status",
    "reason",
    "started_at",
    *AXES,
    "runtime_s",
    *NUMBERS,
    *OTHERS,
    "kernel_proof",
    "proof_detail",
    "latents_path",
    "scaled",
    "fingerprint",
    "torch",
    "python",
    "device",
    "commit",
)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)


def load_records(*folders: Path | str, on_left_out: Callable[[str], None] = _warn) -> pd.DataFrame:
    """Read every record below the folders: one row a round, ``runtime_s`` in seconds.

    ``sweep`` is what a sweep is called; ``sweep_folder`` is where it lies, which tells it from
    another one of the same name.

    A folder without a record may hold runs of the published scripts (`old_runs`). A record that is
    torn, foreign, of a newer schema, there twice, or that holds a number which nothing can have
    measured, is left out, and ``on_left_out`` is called with one line that names it. Raises
    AnalysisError if a folder is missing or holds no record, or if no record is usable.
    """
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[Any, ...], Path] = {}
    numbers = count()  # old runs have no rounds of their own
    for path in _files([Path(folder) for folder in folders]):
        try:
            if fnmatch(path.name, RECORD_GLOB):
                rows.append(_round(path, seen))
            else:
                folder = os.path.realpath(path.parent)
                rows += [{**row, "sweep_folder": folder} for row in read_old_runs(path, numbers)]
        except (ValueError, OverflowError, RecursionError) as error:
            reason = one_line(error)
            on_left_out(reason if str(path) in reason else f"{path}: {reason}")
    if not rows:
        raise AnalysisError(
            f"no usable record in {_listed(folders)}: every file found was left out"
        )
    _complete(rows)
    rounds = pd.DataFrame(rows, columns=list(ROUND_COLUMNS), dtype=object)
    return label_environments(rounds.astype(dict.fromkeys(("runtime_s", *NUMBERS), float)))


def _complete(rows: list[dict[str, Any]]) -> None:
    """Give records that are older than the choice ``upcast`` that of a newer one of their cell."""
    known = {row["cell_hash"]: row["upcast"] for row in rows if row["upcast"] is not None}
    for row in rows:
        if row["upcast"] is None:
            row["upcast"] = known.get(row["cell_hash"])


def _round(path: Path, seen: dict[tuple[Any, ...], Path]) -> dict[str, Any]:
    """The row of a record. Raises RecordError, and if the same round was ``seen`` already."""
    record = read_record(path)
    identity = (
        *(record.sweep, record.job, record.cell_hash, record.round, record.started_at),
        str(record.environment.get("fingerprint")),
    )
    first = seen.setdefault(identity, path)
    if first is not path:
        raise RecordError(f"{path}: the same round as {first}")
    return _row(path, record)


def _files(folders: list[Path]) -> list[Path]:
    """The files to read below all folders, each once, in a stable order."""
    files: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise AnalysisError(
                f"no folder {folder}: name a sweep's folder, or run `python -m sd_bench -m` first"
            )
        found = list(find_records(folder)) or find_old_runs(folder)
        if not found:
            raise AnalysisError(
                f"no record ({RECORD_GLOB}) below {folder}: name the folder of a sweep that has run"
            )
        given, root = str(folder), os.path.realpath(folder)
        for path in found:
            files.setdefault(str(path).replace(given, root, 1), path)
    return list(files.values())


def _listed(folders: tuple[Path | str, ...]) -> str:
    return ", ".join(str(folder) for folder in folders)


def _row(path: Path, record: Record) -> dict[str, Any]:
    status, reason, runtime_s = _outcome(record)
    if status == "ok":
        check_numbers(record)
    choices = {axis: plain(record.choices.get(axis)) for axis in AXES}
    choices["gpu"] = str(choices["gpu"] or UNKNOWN)
    return {
        "path": str(path),
        "sweep": one_line(record.sweep),
        "sweep_folder": _sweep_folder(path.parent, record.job),
        "job": one_line(record.job),
        "cell_hash": one_line(record.cell_hash),
        "round": record.round,
        "status": status,
        "reason": reason,
        "started_at": one_line(record.started_at),
        **choices,
        "runtime_s": runtime_s,
        **measures(record),
        **_proof(record),
        "latents_path": _latents_path(path, record),
        "scaled": tuple(one_line(sentence) for sentence in record.scaled),
        **_environment(record),
    }


@lru_cache(maxsize=1024)  # a cell's rounds lie in one folder
def _sweep_folder(given: Path, job: str) -> str:
    """The real folder of a record's sweep: ``given``, its own, without the job's part of it.

    The record's own folder where it does not lie in its job's any more: nothing says what ran
    beside it then.
    """
    folder = Path(os.path.realpath(given))
    inside = Path(job).parts
    if inside and folder.parts[-len(inside) :] == inside:
        return str(folder.parents[len(inside) - 1])
    return str(folder)


def _outcome(record: Record) -> tuple[str, str, float]:
    """Status, reason and runtime in seconds (NaN unless ``ok``)."""
    if record.status != "ok":
        return record.status, one_line(record.reason or "no reason given"), math.nan
    shortest, longest = BELIEVABLE_SECONDS
    runtime_s = record.runtime_s
    if runtime_s is None or not shortest <= runtime_s <= longest:
        found = "no times" if runtime_s is None else f"a runtime of {runtime_s:g} s"
        return "invalid", f"the record says ok and holds {found}", math.nan
    return "ok", "", runtime_s


def _proof(record: Record) -> dict[str, str]:
    proof = record.kernel_proof
    if proof is None:
        return {"kernel_proof": "none", "proof_detail": ""}
    verdict = "proven" if proof.proven else "not proven"
    return {"kernel_proof": verdict, "proof_detail": one_line(proof.detail)}


def _latents_path(path: Path, record: Record) -> str | None:
    if record.output is None or not record.output.latents_file:
        return None
    return str(path.parent / record.output.latents_file)


def _environment(record: Record) -> dict[str, str]:
    """What is known of the environment; without a fingerprint a sweep stands alone."""
    environment = record.environment
    project = environment.get("project")
    commit = one_line(project.get("git_commit") or "")[:10] if isinstance(project, dict) else ""
    dirty = isinstance(project, dict) and project.get("dirty") is True
    device = environment.get("device")
    name = device.get("name") if isinstance(device, dict) else None
    fingerprint = one_line(environment.get("fingerprint") or "")
    return {
        "fingerprint": fingerprint or f"{UNKNOWN}, sweep {one_line(record.sweep)}",
        "torch": one_line(environment.get("torch") or UNKNOWN),
        "python": one_line(environment.get("python") or UNKNOWN),
        "device": one_line(name or UNKNOWN),
        "commit": f"{commit} (changed)" if commit and dirty else commit or UNKNOWN,
    }
