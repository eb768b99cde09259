"""Open a checkpoint of any form as a table of tensors, without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sd_bench.errors import WeightsError, printable
from sd_bench.regular_files import open_regular, reason_of
from sd_bench.weights.diffusers_folder import (
    config_files,
    is_diffusers_folder,
    read_configs,
    read_diffusers_folder,
    weight_files,
)
from sd_bench.weights.key_names import with_present_keys
from sd_bench.weights.parts import UNET
from sd_bench.weights.stored_tensor import LARGEST_FILE, StoredTensor
from sd_bench.weights.weight_file import read_weight_file
from sd_bench.weights.zip_entries import SumCheck, begins_zip

_BLOCK = 1 << 22
#: How many keys an error shows of a file that has no Stable Diffusion model.
_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint's contents; ``layout`` is one of ``parts.LAYOUTS``.

    ``tensors`` are by the layout's names. ``configs`` are the settings in a diffusers folder, by
    network. ``statements`` are what a file says about its model, by where it says so.
    """

    path: Path
    layout: str
    tensors: Mapping[str, StoredTensor]
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    statements: Mapping[str, str] = field(default_factory=dict)


def open_checkpoint(path: Path) -> Checkpoint:
    """Read the table of contents of a file or a diffusers folder.

    Raises WeightsError, naming the path, if it is not a readable checkpoint.
    """
    try:
        return _open(path, _stamp(path))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except OSError as error:
        raise WeightsError(f"{path}: {reason_of(error)}") from None
    except ValueError as error:  # a zero byte in the name
        raise WeightsError(f"{path}: {error}") from None


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """The names, times and sizes of a checkpoint's files, to notice when they change."""
    files = [*_files(path), *(config_files(path) if path.is_dir() else ())]
    return tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files)


def _files(path: Path) -> list[Path]:
    """The files of the weights, including index files that say which file has which tensor."""
    if not path.is_dir():
        return [path]
    if not is_diffusers_folder(path):
        raise WeightsError(
            "is a folder without unet/, vae/ and text_encoder/: name a file, or a folder saved by "
            "diffusers"
        )
    found = weight_files(path).values()
    return [f for each in found for f in (*each.files, *([each.index] if each.index else ()))]


@lru_cache(maxsize=8)
def _open(path: Path, stamp: tuple[tuple[str, int, int], ...]) -> Checkpoint:
    if path.is_dir():
        tensors, configs = with_present_keys(read_diffusers_folder(path)), read_configs(path)
        return Checkpoint(path=path, layout="diffusers", tensors=tensors, configs=configs)
    contents = read_weight_file(path)
    tensors = with_present_keys(contents.tensors)
    if not any(key.startswith(UNET) for key in tensors):
        shown = ", ".join(printable(key) for key in list(contents.tensors)[:_MOST_SHOWN])
        raise WeightsError(
            f"holds no Stable Diffusion: no key begins with {UNET} (for a network of diffusers, "
            f"name its whole folder); keys found: {len(contents.tensors)}, such as {shown}"
        )
    layout = "multihead" if any(".mha." in key for key in tensors) else "published"
    return Checkpoint(path=path, layout=layout, tensors=tensors, statements=contents.statements)


def digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; of a folder, that of its weight files' SHA-256s.

    A ``torch.save`` file stores a checksum of each of its entries, which is verified on the way.
    Raises WeightsError as ``open_checkpoint`` does, and if a checksum differs.
    """
    try:
        files = _files(path)
        hashes = [
            _file_digest(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files
        ]
    except OSError as error:
        raise WeightsError(f"{path}: {reason_of(error)}") from None
    return hashes[0] if path.is_file() else hashlib.sha256("".join(hashes).encode()).hexdigest()


def check_sums(file: Path) -> None:
    """Verify the checksums of a ``torch.save`` file; other files have none.

    Raises WeightsError if one differs, and OSError.
    """
    with open_regular(file, LARGEST_FILE) as stream:
        has_sums = begins_zip(stream.read(4))
    for _ in _checked_blocks(file) if has_sums else ():
        pass


@lru_cache(maxsize=64)
def _file_digest(file: Path, mtime_ns: int, size: int) -> str:
    digest = hashlib.sha256()
    for block in _checked_blocks(file):
        digest.update(block)
    return digest.hexdigest()


def _checked_blocks(file: Path) -> Iterator[bytes]:
    """All bytes of a file in blocks. Raises WeightsError if a zip's checksum differs."""
    with open_regular(file, LARGEST_FILE) as stream:
        try:
            sums = SumCheck(stream) if begins_zip(stream.read(4)) else None
            stream.seek(0)
            while block := stream.read(_BLOCK):
                if sums is not None:
                    sums.update(block)
                yield block
            if sums is not None:
                sums.finish()
        except WeightsError as error:
            raise WeightsError(f"{file}: {error}") from None
