"""A sweep's folder: which command may work in it, and which subfolder belongs to which cell.

``.sd_bench`` in a cell's folder holds the cell's key. It is written atomically.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell, CellKey
from sd_bench.execution.folder_claim import check_not_anothers
from sd_bench.records import RecordError, find_records, read_record, write_atomically
from sd_bench.records.old_names import rename_presets, rename_setting
from sd_bench.records.sweep_file import is_sweep
from sd_bench.regular_files import open_to_append, read_json

#: The file that marks a folder as a cell's.
CLAIM = ".sd_bench"
#: Its largest size in bytes.
_LARGEST_CLAIM = 2**16
#: Never removed: the open file is the lock, and a killed process leaves none open.
LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the sweep's ``folder``, which is created if needed, against other commands.

    A scheduler's job holds it by a claim instead, which also works across machines. Raises
    ConfigError if another command runs there, OSError if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if check_not_anothers(folder):
        (folder / LOCK).touch()
        yield
        return
    with open_to_append(folder / LOCK) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"hydra.sweep.dir={folder}: another sweep is running there; wait until it ends, "
                "or name another folder"
            ) from None
        yield


def claim(cell: Cell) -> bool:
    """Mark the cell's folder as its own; False if it already was. Raises OSError."""
    if _key_in(cell.folder / CLAIM) is not None:
        return False
    cell.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(cell.folder / CLAIM, json.dumps(cell.key._asdict()) + "\n")
    return True


def unclaim(cell: Cell) -> None:
    """Undo a claim and remove the folder, if nothing else is in it."""
    if [path.name for path in cell.folder.iterdir()] == [CLAIM]:
        (cell.folder / CLAIM).unlink()
        cell.folder.rmdir()


def claimed(folder: Path) -> dict[CellKey, list[Path]]:
    """The folders of each cell in a sweep's folder; a repeated cell has several.

    A folder that has lost its claim file belongs to the cell whose records it holds.
    """
    keys = {file.parent: _key_in(file) for file in folder.rglob(CLAIM)}
    for path in find_records(folder):
        if keys.get(path.parent) is None:
            keys[path.parent] = _key_of(path)
    found: dict[CellKey, list[Path]] = {}
    for path, key in sorted(keys.items()):
        if key is not None:  # otherwise it belongs to no cell, but is not free either
            found.setdefault(key, []).append(path)
    return found


def covers(cells: Sequence[Cell], folder: Path) -> bool:
    """Whether every cell with a folder in the sweep is among ``cells``."""
    return claimed(folder).keys() <= {cell.key for cell in cells}


def _key_in(claim: Path) -> CellKey | None:
    try:
        stored = read_json(claim, _LARGEST_CLAIM)
        key = CellKey(**{rename_setting(name): value for name, value in stored.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    if not isinstance(key.hash, str) or not isinstance(key.preset, (str, type(None))):
        return None
    return key._replace(preset=key.preset and rename_presets(key.preset))


def _key_of(path: Path) -> CellKey | None:
    try:
        record = read_record(path)
    except RecordError:
        return None
    return CellKey(record.cell_hash, record.choices.get("preset"))


def placed(cells: Sequence[Cell], folder: Path, resume: bool) -> list[Cell]:
    """``cells`` with the folders that they already have, or else with new ones.

    Raises ConfigError if the folder holds another sweep, or Hydra gives several cells the same
    folder or one outside the sweep's.
    """
    if len({cell.folder for cell in cells}) < len(cells):
        raise ConfigError(
            f"hydra.sweep.subdir={cells[0].job}: gives several cells the same folder; leave it "
            "out, or include ${hydra.job.num}"
        )
    resolved = folder.resolve()
    for cell in cells:
        if not cell.folder.resolve().is_relative_to(resolved):
            raise ConfigError(
                f"hydra.sweep.subdir: {cell.folder} is not inside the sweep's folder {folder}; "
                "leave it out, or name a folder inside it"
            )
    known = claimed(folder) if resume else {}
    if known and known.keys().isdisjoint(cell.key for cell in cells):
        raise ConfigError(
            f"resume: none of the cells in {folder} is in this matrix; give the arguments that it "
            "was started with (see its sweep.json), or name another folder"
        )
    if not resume and (is_sweep(folder) or not all(_is_free(cell.folder) for cell in cells)):
        raise ConfigError(
            f"hydra.sweep.dir={folder}: already holds another sweep; name another folder, or "
            "continue that one (resume=true)"
        )
    taken = {path for paths in known.values() for path in paths}
    result = []
    for cell in cells:
        own = known.get(cell.key)
        path = own.pop(0) if own else _new_folder(cell, taken)
        taken.add(path)
        result.append(replace(cell, folder=path))
    return result


def _new_folder(cell: Cell, taken: Collection[Path]) -> Path:
    """Hydra's folder for the cell, or else the folder with the next free number."""
    numbered = (cell.sweep_folder / str(number) for number in count())
    candidates = chain([cell.folder], numbered)
    return next(path for path in candidates if path not in taken and _is_free(path))


def _is_free(folder: Path) -> bool:
    """Whether the folder holds nothing but what a killed command may have left before a claim."""
    if not folder.is_dir():
        return not folder.exists()
    return all(p.name != CLAIM and p.name.startswith(".") for p in folder.iterdir())
