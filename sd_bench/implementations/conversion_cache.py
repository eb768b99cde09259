"""The cache of converted networks: one folder per conversion.

It is in ~/.cache/sd_bench/conversions (XDG_CACHE_HOME and SD_BENCH_CACHE_DIR move it); ``rm -r`` is
safe at any time. If it exceeds 20 GB (SD_BENCH_CACHE_GB sets another limit), a new entry replaces
the least recently used ones that nothing has used for an hour. An entry is made in a temporary
folder and then renamed. A lock per entry, which ends with the process that holds it, lets one
process convert while others wait.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sd_bench.config.schema import RANDOM_WEIGHTS, Config
from sd_bench.paths import PACKAGE_DIR
from sd_bench.weights.checkpoint import digest

VARIABLE = "SD_BENCH_CACHE_DIR"
LIMIT_VARIABLE, _LIMIT_GB = "SD_BENCH_CACHE_GB", 20.0
#: Entries used within this time are never removed: a running sweep may need them again.
_IN_USE_S = 3600.0
#: The list of an entry's files with sizes and times; a folder without it is not an entry.
_CONTENTS = "contents.json"
#: The code that decides what the converted networks hold.
_SOURCES = ("networks", "weights", "implementations")


class ConversionError(Exception):
    """Networks cannot be converted, or the result cannot be cached; the message says why."""


def cache_folder() -> Path:
    """The folder of all conversions; it may not exist."""
    if named := os.environ.get(VARIABLE):
        return Path(named) / "conversions"
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "sd_bench" / "conversions"


def conversion_key(config: Config, library: str, version: str, **settings: Any) -> str:
    """A name for the networks of ``config`` as ``library`` converts them with ``settings``.

    It changes with the weights, the size and number of the images, the versions of ``library`` and
    of PyTorch, and this project's code. Raises WeightsError.
    """
    workload = config.workload
    depends_on = {
        "library": [library, version],
        "torch": torch.__version__,
        "sources": _hash_of_sources(),
        "model": dataclasses.asdict(config.model_version),
        "weights": _weights(config),
        "shape": [workload.batch_size, workload.height, workload.width],
        "settings": settings,
    }
    text = json.dumps(depends_on, sort_keys=True)
    return f"{library}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def converted(key: str, convert: Callable[[Path], None], again: bool = False) -> tuple[Path, str]:
    """The folder of the conversion ``key``, and whether it was cached ("warm") or not ("cold").

    ``convert`` fills an empty folder. It is called if the entry is missing or its files have
    changed, or, with ``again``, in any case. Raises ConversionError, and whatever ``convert``
    raises.
    """
    base = cache_folder()
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (base / f"{key}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            place = base / key
            os.utime(lock.fileno())  # the time of its last use
            if not again and _is_whole(place):
                return place, "warm"
            _make_room(base)
            _make(place, convert)
            return place, "cold"
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConversionError(
            f"{base}: {why}; converted networks are cached there: make room, or name another "
            f"folder with {VARIABLE}"
        ) from error


def _make_room(base: Path) -> None:
    """Remove the least recently used entries until the others are below the limit."""
    limit = _limit_gb() * 1e9
    locks = sorted(base.glob("*.lock"), key=lambda lock: lock.stat().st_mtime)
    sizes = {lock: _size(lock.with_suffix("")) for lock in locks}
    for lock in locks:
        if sum(sizes.values()) <= limit or time.time() - lock.stat().st_mtime < _IN_USE_S:
            return
        with lock.open("a") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            sizes.pop(lock)


def _limit_gb() -> float:
    named = os.environ.get(LIMIT_VARIABLE, str(_LIMIT_GB))
    try:
        limit = float(named)
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise ConversionError(f"{LIMIT_VARIABLE}={named}: give a number of gigabytes, as in 20")
    return limit


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _make(place: Path, convert: Callable[[Path], None]) -> None:
    for left in place.parent.glob(f"{place.name}.making-*"):  # left by a killed process
        shutil.rmtree(left, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=f"{place.name}.making-", dir=place.parent))
    try:
        convert(making)
        (making / _CONTENTS).write_text(json.dumps(_state_of(making)))
        shutil.rmtree(place, ignore_errors=True)
        making.rename(place)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


def _is_whole(place: Path) -> bool:
    """Whether the entry's files have the sizes and times that they were written with.

    Checking their content would mean reading gigabytes in every round.
    """
    try:
        written = json.loads((place / _CONTENTS).read_text())
    except (OSError, ValueError):
        return False
    return bool(written) and written == _state_of(place)


def _state_of(folder: Path) -> dict[str, list[int]]:
    """The size and time of every file in ``folder`` except the list itself."""
    return {
        str(file.relative_to(folder)): [file.stat().st_size, file.stat().st_mtime_ns]
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != _CONTENTS
    }


def _weights(config: Config) -> str:
    if config.weights == RANDOM_WEIGHTS:
        return f"{RANDOM_WEIGHTS}:{config.weights_seed}"
    return config.weights_digest or digest(Path(config.weights))


def _hash_of_sources() -> str:
    found = hashlib.sha256()
    for folder in _SOURCES:
        for file in sorted((PACKAGE_DIR / folder).rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()
