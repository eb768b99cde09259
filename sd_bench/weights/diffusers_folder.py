"""A folder as diffusers saves a pipeline: ``unet/``, ``vae/``, ``text_encoder/`` and more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sd_bench.errors import WeightsError
from sd_bench.weights.safetensors_file import read_safetensors
from sd_bench.weights.stored_tensor import StoredTensor
from sd_bench.weights.torch_file import read_torch_file

#: The names of the weights' files without their suffix.
_STEMS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}
_CONFIGS = {
    "unet": "config.json",
    "text_encoder": "config.json",
    "scheduler": "scheduler_config.json",
}
#: The autoencoder's attention in diffusers before 0.18.
_OLD_NAMES = {
    ".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0.",
}  # fmt: skip


def is_diffusers_folder(path: Path) -> bool:
    """Whether all three networks have their folder in ``path``."""
    return all((path / name).is_dir() for name in _STEMS)


def weight_files(path: Path) -> dict[str, list[Path]]:
    """The files of each network's weights. Raises WeightsError if a network has none."""
    return {network: _files(path / network, stem) for network, stem in _STEMS.items()}


def _files(folder: Path, stem: str) -> list[Path]:
    torch_stem = "pytorch_model" if stem == "model" else stem
    for pattern in (
        f"{stem}.safetensors",
        f"{stem}-*-of-*.safetensors",
        f"{torch_stem}.bin",
        f"{stem}.fp16.safetensors",
        f"{torch_stem}.fp16.bin",
    ):
        if found := sorted(folder.glob(pattern)):
            return found
    raise WeightsError(f"has no weights in {folder.name}/: no {stem}.safetensors there")


def read_diffusers_folder(path: Path) -> dict[str, StoredTensor]:
    """Every tensor, as ``unet/key``, ``vae/key``, ``text_encoder/key``.

    Raises WeightsError and OSError.
    """
    tensors: dict[str, StoredTensor] = {}
    for network, files in weight_files(path).items():
        for file in files:
            read = read_safetensors if file.suffix == ".safetensors" else read_torch_file
            try:
                tensors |= {f"{network}/{_name(network, k)}": t for k, t in read(file).items()}
            except WeightsError as error:
                raise WeightsError(f"{network}/{file.name} {error}") from None
    return tensors


def _name(network: str, key: str) -> str:
    if network == "text_encoder" and key.startswith(("embeddings.", "encoder.", "final_layer")):
        return f"text_model.{key}"  # as transformers from version 5 on may write it
    if network == "vae" and ".attentions." in key:
        for old, new in _OLD_NAMES.items():
            key = key.replace(old, new)
    return key


def read_configs(path: Path) -> dict[str, dict[str, Any]]:
    """What ``unet``, ``text_encoder`` and ``scheduler`` say of themselves; missing ones left out.

    Raises WeightsError if one is not JSON.
    """
    configs = {}
    for network, name in _CONFIGS.items():
        file = path / network / name
        if not file.exists():
            continue
        try:
            configs[network] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise WeightsError(f"{network}/{name} is not JSON") from None
        if not isinstance(configs[network], dict):
            raise WeightsError(f"{network}/{name} is no table")
    return configs
