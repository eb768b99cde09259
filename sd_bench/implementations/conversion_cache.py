"""Where converted networks are cached between rounds: one folder per set of inputs.

They are kept in ~/.cache/sd_bench/conversions (XDG_CACHE_HOME and SD_BENCH_CACHE_DIR move it) until
somebody removes it: ``rm -r`` is safe at any time. An entry is made beside its place and then put
there at once. A lock for each entry, which ends with the process that holds it, lets one process
convert while others wait for it.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sd_bench.config.schema import RANDOM_WEIGHTS, Config
from sd_bench.paths import PACKAGE_DIR
from sd_bench.weights.checkpoint import digest

VARIABLE = "SD_BENCH_CACHE_DIR"
#: Names the files of an entry with their sizes and times; what has no such list is not an entry.
_CONTENTS = "contents.json"
#: The code that decides what the converted networks hold.
_SOURCES = ("networks", "weights", "implementations")


class ConversionError(Exception):
    """Converted networks cannot be kept, or cannot be made; the message says why."""


def cache_folder() -> Path:
    """The folder of all conversions; it need not exist."""
    if named := os.environ.get(VARIABLE):
        return Path(named) / "conversions"
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "sd_bench" / "conversions"


def conversion_key(config: Config, library: str, version: str, **settings: Any) -> str:
    """A name for the networks of ``config`` as ``library`` converts them with ``settings``.

    It changes with the weights, with the size and number of the images, with the versions of
    ``library`` and of PyTorch, and with this project's own code. Raises WeightsError.
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
    """The folder of the conversion ``key``, and whether it was there ("warm") or not ("cold").

    ``convert`` fills an empty folder. It is called where the entry is missing or its files are not
    those that were written, or, with ``again``, in any case. Raises ConversionError, and what
    ``convert`` does.
    """
    base = cache_folder()
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (base / f"{key}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            place = base / key
            if not again and _is_whole(place):
                return place, "warm"
            _make(place, convert)
            return place, "cold"
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConversionError(
            f"{base}: {why}; converted networks are kept there: make room, or name another folder "
            f"with {VARIABLE}"
        ) from error


def _make(place: Path, convert: Callable[[Path], None]) -> None:
    for left in place.parent.glob(f"{place.name}.making-*"):  # of a process that was killed
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
    """Whether its files are those that were written, as far as sizes and times tell.

    Reading gigabytes in every round, to check them, would cost more than what it guards against.
    """
    try:
        written = json.loads((place / _CONTENTS).read_text())
    except (OSError, ValueError):
        return False
    return bool(written) and written == _state_of(place)


def _state_of(folder: Path) -> dict[str, list[int]]:
    """Size and time of every file, the list of them left out."""
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
