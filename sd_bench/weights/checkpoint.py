"""A checkpoint as a table of tensors, whatever its form; opened without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sd_bench.errors import WeightsError
from sd_bench.weights.diffusers_folder import (
    is_diffusers_folder,
    read_configs,
    read_diffusers_folder,
    weight_files,
)
from sd_bench.weights.parts import UNET
from sd_bench.weights.safetensors_file import read_safetensors
from sd_bench.weights.stored_tensor import StoredTensor
from sd_bench.weights.torch_file import read_torch_file

_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """``layout`` is one of ``parts.LAYOUTS``; ``tensors`` are named as the file names them.

    ``configs`` are the settings in a diffusers folder, by network.
    """

    path: Path
    layout: str
    tensors: Mapping[str, StoredTensor]
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def open_checkpoint(path: Path) -> Checkpoint:
    """Read the table of contents of a file or a diffusers folder.

    Raises WeightsError, naming the path, for whatever is no readable checkpoint.
    """
    try:
        return _open(path, _stamp(path))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except OSError as error:
        raise WeightsError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """What changes when the checkpoint does."""
    files = _files(path)
    return tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if not is_diffusers_folder(path):
        raise WeightsError(
            "is a folder without unet/, vae/ and text_encoder/: name a file, or a folder that "
            "diffusers has saved"
        )
    return [file for files in weight_files(path).values() for file in files]


@lru_cache(maxsize=8)
def _open(path: Path, stamp: tuple[tuple[str, int, int], ...]) -> Checkpoint:
    if path.is_dir():
        tensors, configs = read_diffusers_folder(path), read_configs(path)
        return Checkpoint(path=path, layout="diffusers", tensors=tensors, configs=configs)
    if stamp[0][2] == 0:
        raise WeightsError("is empty")
    if path.suffix not in _SUFFIXES:
        raise WeightsError(f"use a file of the kind {', '.join(_SUFFIXES)}, or a diffusers folder")
    tensors = read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)
    if not any(key.startswith(UNET) for key in tensors):
        raise WeightsError(
            f"holds no Stable Diffusion: no key begins with {UNET} (a network of diffusers is "
            "loaded with its whole folder)"
        )
    layout = "multihead" if any(".mha." in key for key in tensors) else "published"
    return Checkpoint(path=path, layout=layout, tensors=tensors)


def digest(path: Path) -> str:
    """SHA-256 of the file (of a folder: of its weight files' own, one after another), in hex.

    Raises WeightsError as ``open_checkpoint`` does.
    """
    try:
        files = _files(path)
        hashes = [
            _file_digest(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files
        ]
    except OSError as error:
        raise WeightsError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    return hashes[0] if path.is_file() else hashlib.sha256("".join(hashes).encode()).hexdigest()


@lru_cache(maxsize=64)
def _file_digest(file: str, mtime_ns: int, size: int) -> str:
    digest = hashlib.sha256()
    with Path(file).open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
