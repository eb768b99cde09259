"""Records to one table: one row per round."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from fnmatch import fnmatch
from itertools import compress, count
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analysis.bundles.unpacking import unpack
from analysis.errors import AnalysisError
from analysis.ingest.measures import read_measures
from analysis.ingest.old_runs import find_old_runs, read_old_runs
from analysis.ingest.pictures import list_pictures
from analysis.ingest.rows import RoundRow
from analysis.ingest.validity import check_numbers
from analysis.rows import to_frame, uncollected
from sd_bench.command_lines import shown
from sd_bench.records import RECORD_GLOB, Record, RecordError, find_records, read_record
from sd_bench.verdicts.axes import to_one_line
from sd_bench.verdicts.environments import UNKNOWN, Place, label_environments
from sd_bench.verdicts.proofs import name_proof
from sd_bench.verdicts.rounds import find_upcasts, read_round

#: The packages whose versions a comparison of implementations must name.
_PEERS = ("diffusers", "transformers", "openvino", "onnxruntime")


#: From how many records on processes are worth starting, and how many each reads at a time.
_WORTH_PROCESSES, _AT_ONCE = 20_000, 500


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)


@uncollected()
def load_records(
    *folders: Path | str,
    on_left_out: Callable[[str], None] = _warn,
    watch: Callable[[Sequence[Path]], Iterable[Path]] = iter,
    processes: int = 1,
) -> pd.DataFrame:
    """Read every record below the folders, or in the bundles: one row per round.

    ``runtime_s`` is in seconds.

    ``sweep`` is the name of a sweep; ``sweep_folder`` is its folder, which distinguishes it from
    others of the same name.

    A folder without a record may hold runs of the published scripts (`old_runs`). A record is left
    out if it is incomplete, foreign, of a newer schema or a duplicate, or contains a number that
    cannot have been measured; ``on_left_out`` is called with one line that names it.

    ``watch`` is given the files and yields them as they are read, so that it can show progress.
    With ``processes`` above 1, that many processes read if there are many records; the program must
    then be guarded by ``if __name__ == "__main__":``. Raises AnalysisError if a folder is missing
    or holds no record, if no record is usable, or for a file that is not a bundle.
    """
    rows: list[_Given] = []
    seen: dict[_Identity, Path] = {}
    numbers = count()  # old runs have no round numbers
    bundles = {unpack(Path(f)): str(f) for f in folders if Path(f).is_file()}
    unpacked = {shown: str(folder) for folder, shown in bundles.items()}

    def leave_out(reason: str) -> None:
        """Report the reason with the name of the bundle in place of its temporary folder."""
        for bundle, folder in unpacked.items():
            reason = reason.replace(folder, bundle)
        on_left_out(reason)

    files = _files([Path(unpacked.get(str(folder), folder)) for folder in folders])
    are_records = [fnmatch(path.name, RECORD_GLOB) for path in files]
    with closing(_read_all([*compress(files, are_records)], processes)) as read:
        for path, is_record in zip(watch(list(files)), are_records, strict=True):
            try:
                if is_record:
                    rows.append(_Given(files[path], _once(path, next(read), seen)))
                else:
                    found = read_old_runs(path, numbers, leave_out)
                    rows += [_Given(files[path], row) for row in found]
            except _FAULTS as error:
                reason = to_one_line(error)
                leave_out(reason if str(path) in reason else f"{path}: {reason}")
    if not rows:
        raise AnalysisError(
            f"no usable record in {_listed(folders)}: every file found was left out"
        )
    _complete(rows)
    return to_frame((each.row for each in rows), RoundRow)


class _Given(NamedTuple):
    """A round, and the position of its folder among all folders given."""

    folder: int
    row: RoundRow


def _complete(rows: list[_Given]) -> None:
    """Set what depends on all rows together: a missing ``upcast``, environment and machine."""
    upcasts = find_upcasts((row.cell_hash, row.upcast) for _, row in rows)
    in_order = [row for _, row in sorted(rows, key=lambda each: (each[0], each.row.started_at))]
    labels = label_environments(
        [Place(*place) for place in map(attrgetter(*Place._fields), in_order)],
        [row.status for row in in_order],
    )
    for row, label in zip(in_order, labels, strict=True):
        row.env, row.machine = label.env, label.machine
        row.device_name, row.env_number = label.device, label.number
        if row.upcast is None:
            row.upcast = upcasts.get(row.cell_hash)


#: Identifies a round, wherever its record is.
_Identity = tuple[str, str, str, int, str, str]

#: The result of reading a record: an error, or its identity with its row or an error.
_Read = Exception | tuple[_Identity, "RoundRow | Exception"]

#: The errors that mean that something is wrong with a record.
_FAULTS = (ValueError, OverflowError, RecursionError)


def _read_all(paths: Sequence[Path], processes: int) -> Generator[_Read, None, None]:
    """The result of reading each record, in order."""
    if processes < 2 or len(paths) < _WORTH_PROCESSES:
        yield from map(_read, paths)
        return
    parts = [paths[at : at + _AT_ONCE] for at in range(0, len(paths), _AT_ONCE)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        try:
            for part in pool.map(_read_part, parts):
                yield from part
        finally:
            pool.shutdown(cancel_futures=True)


def _read_part(paths: Sequence[Path]) -> list[_Read]:
    return list(map(_read, paths))


def _read(path: Path) -> _Read:
    try:
        record = read_record(path)
    except _FAULTS as error:
        return error
    identity = (
        *map(_shared, (record.sweep, record.job, record.cell_hash)),
        *(record.round, record.started_at, _shared(str(record.environment.get("fingerprint")))),
    )
    try:
        return identity, _row(path, record)
    except _FAULTS as error:
        return identity, error


def _once(path: Path, read: _Read, seen: dict[_Identity, Path]) -> RoundRow:
    """The row of a record. Raises its error, or RecordError if its round was ``seen`` already."""
    if isinstance(read, Exception):
        raise read
    identity, row = read
    first = seen.setdefault(identity, path)
    if first is not path:
        raise RecordError(f"{path}: the same round as {first}")
    if isinstance(row, Exception):
        raise row
    return row


def _files(folders: list[Path]) -> dict[Path, int]:
    """The files to read below all folders, each once, in a stable order, with the folder's index.

    Environments are numbered in the order of the folders.
    """
    files: dict[str, tuple[Path, int]] = {}
    for given_as, folder in enumerate(folders):
        if folder.exists() and not folder.is_dir():
            raise AnalysisError(f"{folder}: is neither a folder nor a bundle")
        if not folder.is_dir():
            raise AnalysisError(
                f"no folder {folder}: name a sweep's folder or a bundle, or run "
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
    place = {name: _shared(value) for name, value in found.place._asdict().items()}
    return RoundRow(
        path=found.path,
        sweep=_shared(to_one_line(record.sweep)),
        job=_shared(to_one_line(record.job)),
        cell_hash=_shared(found.cell_hash),
        round=found.number,
        status=found.status,
        reason=found.reason,
        started_at=to_one_line(record.started_at),
        **(found.choices | place),
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
        python=_shared(to_one_line(record.environment.get("python") or UNKNOWN)),
        commit=_shared(_commit(record.environment.get("project"))),
        peer_versions=_shared(_peer_versions(record.environment.get("packages"))),
    )


def _shared(value: Any) -> Any:
    """One shared copy of a text that many records contain: it saves memory and time."""
    return sys.intern(value) if type(value) is str else value


def _latents_path(path: Path, record: Record) -> str | None:
    if record.output is None or not record.output.latents_file:
        return None
    return str(path.with_name(Path(record.output.latents_file).name))


def _peer_versions(packages: Any) -> str:
    """The installed peers with their versions: ``diffusers 0.42.1, openvino 2026.4.1``."""
    known = packages if isinstance(packages, dict) else {}
    return ", ".join(f"{name} {to_one_line(known[name])}" for name in _PEERS if known.get(name))


def _commit(project: Any) -> str:
    """The start of the commit hash, and whether the checkout had changes."""
    known = project if isinstance(project, dict) else {}
    commit = to_one_line(known.get("git_commit") or "")[:10]
    return f"{commit} (changed)" if commit and known.get("dirty") is True else commit or UNKNOWN
