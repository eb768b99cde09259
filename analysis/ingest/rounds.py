"""Records to one tidy table: one row per round."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analysis.errors import AnalysisError
from analysis.ingest.measures import read_measures
from analysis.ingest.old_runs import find_old_runs, read_old_runs
from analysis.ingest.pictures import list_pictures
from analysis.ingest.rows import RoundRow
from analysis.ingest.validity import check_numbers
from analysis.rows import to_frame
from sd_bench.command_lines import shown
from sd_bench.records import RECORD_GLOB, Record, RecordError, find_records, read_record
from sd_bench.verdicts.axes import to_one_line
from sd_bench.verdicts.environments import UNKNOWN, Place, label_environments
from sd_bench.verdicts.proofs import name_proof
from sd_bench.verdicts.rounds import find_upcasts, read_round

#: The packages whose versions a comparison of implementations has to name.
_PEERS = ("diffusers", "transformers", "openvino", "onnxruntime")


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)


def load_records(*folders: Path | str, on_left_out: Callable[[str], None] = _warn) -> pd.DataFrame:
    """Read every record below the folders: one row per round, ``runtime_s`` in seconds.

    ``sweep`` is what a sweep is called; ``sweep_folder`` is where it lies, which tells it from
    another one of the same name.

    A folder without a record may hold runs of the published scripts (`old_runs`). A record that is
    torn, foreign, of a newer schema, there twice, or that holds a number which nothing can have
    measured, is left out, and ``on_left_out`` is called with one line that names it. Raises
    AnalysisError if a folder is missing or holds no record, or if no record is usable.
    """
    rows: list[_Given] = []
    seen: dict[tuple[Any, ...], Path] = {}
    numbers = count()  # old runs have no rounds of their own
    for path, given in _files([Path(folder) for folder in folders]).items():
        try:
            if fnmatch(path.name, RECORD_GLOB):
                rows.append(_Given(given, _round(path, seen)))
            else:
                rows += [_Given(given, row) for row in read_old_runs(path, numbers, on_left_out)]
        except (ValueError, OverflowError, RecursionError) as error:
            reason = to_one_line(error)
            on_left_out(reason if str(path) in reason else f"{path}: {reason}")
    if not rows:
        raise AnalysisError(
            f"no usable record in {_listed(folders)}: every file found was left out"
        )
    _complete(rows)
    return to_frame((each.row for each in rows), RoundRow)


class _Given(NamedTuple):
    """A round, and the place among all folders of the one that it was found below."""

    folder: int
    row: RoundRow


def _complete(rows: list[_Given]) -> None:
    """Set what only all rows together tell: a missing ``upcast``, the environment, the machine."""
    upcasts = find_upcasts((row.cell_hash, row.upcast) for _, row in rows)
    in_order = [row for _, row in sorted(rows, key=lambda each: (each[0], each.row.started_at))]
    labels = label_environments(
        [Place(*(row[name] for name in Place._fields)) for row in in_order],
        [row.status for row in in_order],
    )
    for row, label in zip(in_order, labels, strict=True):
        row.env, row.machine = label.env, label.machine
        row.device_name, row.env_number = label.device, label.number
        if row.upcast is None:
            row.upcast = upcasts.get(row.cell_hash)


def _round(path: Path, seen: dict[tuple[Any, ...], Path]) -> RoundRow:
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


def _files(folders: list[Path]) -> dict[Path, int]:
    """The files to read below all folders, each once, in a stable order, with their folder's place.

    Environments are numbered in the order of the folders.
    """
    files: dict[str, tuple[Path, int]] = {}
    for given_as, folder in enumerate(folders):
        if not folder.is_dir():
            raise AnalysisError(
                f"no folder {folder}: name a sweep's folder, or run "
                f"`{shown('sd_bench', '-m')}` first"
            )
        found = list(find_records(folder)) or find_old_runs(folder)
        if not found:
            raise AnalysisError(
                f"no record ({RECORD_GLOB}) below {folder}: name the folder of a sweep that has run"
            )
        given, root = str(folder), os.path.realpath(folder)
        for path in found:
            files.setdefault(str(path).replace(given, root, 1), (path, given_as))
    return dict(files.values())


def _listed(folders: tuple[Path | str, ...]) -> str:
    return ", ".join(str(folder) for folder in folders)


def _row(path: Path, record: Record) -> RoundRow:
    found = read_round(record, path)
    if found.status == "ok":
        check_numbers(record)
    proof = record.kernel_proof
    place: dict[str, Any] = found.choices | found.place._asdict()
    return RoundRow(
        path=found.path,
        sweep=to_one_line(record.sweep),
        job=to_one_line(record.job),
        cell_hash=found.cell_hash,
        round=found.number,
        status=found.status,
        reason=found.reason,
        started_at=to_one_line(record.started_at),
        **place,
        runtime_s=found.runtime_s,
        worker_s=found.worker_s,
        planned=found.planned,
        scale=to_one_line(record.config.get("scale") or ""),
        **read_measures(record),
        kernel_proof=name_proof(proof),
        proof_detail="" if proof is None else to_one_line(proof.detail),
        latents_path=_latents_path(path, record),
        sketches={} if record.output is None else record.output.stage_sketches,
        pictures=list_pictures(path, record),
        scaled=tuple(to_one_line(sentence) for sentence in record.scaled),
        python=to_one_line(record.environment.get("python") or UNKNOWN),
        commit=_commit(record.environment.get("project")),
        peer_versions=_peer_versions(record.environment.get("packages")),
    )


def _latents_path(path: Path, record: Record) -> str | None:
    if record.output is None or not record.output.latents_file:
        return None
    return str(path.parent / record.output.latents_file)


def _peer_versions(packages: Any) -> str:
    """The installed peers with their versions: ``diffusers 0.42.1, openvino 2026.4.1``."""
    known = packages if isinstance(packages, dict) else {}
    return ", ".join(f"{name} {to_one_line(known[name])}" for name in _PEERS if known.get(name))


def _commit(project: Any) -> str:
    """The begin of the commit's name, and whether the checkout was changed."""
    known = project if isinstance(project, dict) else {}
    commit = to_one_line(known.get("git_commit") or "")[:10]
    return f"{commit} (changed)" if commit and known.get("dirty") is True else commit or UNKNOWN
