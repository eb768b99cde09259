"""Read a folder in which diffusers saved a pipeline: ``unet/``, ``vae/``, ``text_encoder/`` ..."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_bench.errors import WeightsError, printable
from sd_bench.regular_files import read_foreign_json, reason_of
from sd_bench.weights.stored_tensor import StoredTensor
from sd_bench.weights.weight_file import read_weight_file

#: The names of weight files without suffix: as safetensors, and as torch files.
_STEMS = {
    "unet": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "vae": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "text_encoder": ("model", "pytorch_model"),
}
_CONFIGS = {
    "unet": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "scheduler": "scheduler_config.json",
}
#: The most bytes of a JSON file; an index of a whole pipeline has 200,000.
_LARGEST_JSON = 4_000_000
_SHARD = re.compile(r".*-(\d{1,9})-of-(\d{1,9})\.[a-z]+")


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """A network's weight files; if an ``index`` lists them, ``shards`` maps tensors to files."""

    files: list[Path]
    index: Path | None = None
    shards: Mapping[str, str] | None = None


def is_diffusers_folder(path: Path) -> bool:
    """Whether ``path`` has a folder for each of the three networks."""
    return all((path / name).is_dir() for name in _STEMS)


def weight_files(path: Path) -> dict[str, WeightFiles]:
    """The files of each network's weights.

    Raises WeightsError if a network has none, or not all of them, and OSError.
    """
    return {network: _weight_files(path / network) for network in _STEMS}


def config_files(path: Path) -> Iterator[Path]:
    """The settings files that exist in ``path``."""
    files = (path / network / name for network, name in _CONFIGS.items())
    return (file for file in files if file.exists())


def _weight_files(folder: Path) -> WeightFiles:
    safetensors, torch = _STEMS[folder.name]
    for stem, suffix, variant in (
        (safetensors, "safetensors", ""),
        (torch, "bin", ""),
        (safetensors, "safetensors", ".fp16"),
        (torch, "bin", ".fp16"),
    ):
        single = folder / f"{stem}{variant}.{suffix}"
        index = folder / f"{stem}.{suffix}.index{variant}.json"
        if index.exists() and not (single.exists() and folder.name == "text_encoder"):
            return _indexed(index)  # diffusers prefers the index, transformers the single file
        if single.exists():
            return WeightFiles([single])
        if shards := sorted(folder.glob(f"{stem}{variant}-*-of-*.{suffix}")):
            return _whole_set(shards)
    raise WeightsError(f"has no weights in {folder.name}/: no {safetensors}.safetensors there")


def _indexed(index: Path) -> WeightFiles:
    """The files that an index lists. Raises WeightsError if not an index, or one is missing."""
    named = f"{index.parent.name}/{index.name}"
    content = _read_json(index)
    shards = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise WeightsError(f"{named} is not an index: it has no weight_map")
    for shard in shards.values():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise WeightsError(f"refused: {named} names {printable(shard)}, outside of its folder")
    names = sorted(set(shards.values()))
    if missing := [name for name in names if not (index.parent / name).exists()]:
        raise WeightsError(
            f"lacks {index.parent.name}/{printable(missing[0])}, which {named} names"
        )
    return WeightFiles([index.parent / name for name in names], index, shards)


def _whole_set(shards: list[Path]) -> WeightFiles:
    """Shards without an index. Raises WeightsError unless they are one complete set."""
    found = [_SHARD.fullmatch(shard.name) for shard in shards]
    numbers = [(int(each[1]), int(each[2])) for each in found if each]
    total = numbers[0][1] if numbers else 0
    if sorted(numbers) != [(n, total) for n in range(1, len(shards) + 1)] or total != len(shards):
        raise WeightsError(
            f"has {len(shards)} shards in {shards[0].parent.name}/ that are not a complete set, "
            "and no index.json that lists which belong together"
        )
    return WeightFiles(shards)


def read_diffusers_folder(path: Path) -> dict[str, StoredTensor]:
    """Every tensor, by ``unet/key``, ``vae/key`` or ``text_encoder/key``.

    Raises WeightsError and OSError.
    """
    tensors: dict[str, StoredTensor] = {}
    for network, found in weight_files(path).items():
        for file in found.files:
            try:
                contents = read_weight_file(file).tensors
            except WeightsError as error:
                raise WeightsError(f"{network}/{printable(file.name)} {error}") from None
            except OSError as error:
                named = f"{network}/{printable(file.name)}"
                raise WeightsError(f"{named}: {reason_of(error)}") from None
            for key, tensor in _of_shard(found, file, contents).items():
                if f"{network}/{key}" in tensors:
                    raise WeightsError(f"has {network}/{printable(key)} in two shards")
                tensors[f"{network}/{key}"] = tensor
    return tensors


def _of_shard(
    found: WeightFiles, file: Path, tensors: Mapping[str, StoredTensor]
) -> Mapping[str, StoredTensor]:
    """The tensors of a shard that the index assigns to it; all of them if there is no index."""
    if found.shards is None or found.index is None:
        return tensors
    wanted = [key for key, shard in found.shards.items() if shard == file.name]
    if missing := [key for key in wanted if key not in tensors]:
        named = f"{file.parent.name}/{printable(file.name)}"
        raise WeightsError(
            f"lacks {printable(missing[0])} in {named}, where {found.index.name} says that it is"
        )
    return {key: tensors[key] for key in wanted}


def read_configs(path: Path) -> dict[str, dict[str, Any]]:
    """The settings of the networks and the scheduler, by name, without missing ones.

    Raises WeightsError if a file is not a JSON table, and OSError.
    """
    configs = {}
    for file in config_files(path):
        network = file.parent.name
        configs[network] = _read_json(file)
        if not isinstance(configs[network], dict):
            raise WeightsError(f"{network}/{file.name} is not a table")
    return configs


def _read_json(file: Path) -> Any:
    try:
        return read_foreign_json(file, _LARGEST_JSON)
    except OSError as error:
        raise WeightsError(f"{file.parent.name}/{file.name} {reason_of(error)}") from None
