"""Checkpoints of tiny models as files and folders, and checks of what a reader loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from sd_bench.capabilities.composition import compose_config
from sd_bench.config.conversion import known_models
from sd_bench.config.schema import Config
from sd_bench.weights.checkpoint import open_checkpoint
from sd_bench.weights.checkpoint_fit import check_fits
from sd_bench.weights.checkpoint_weights import read, stored_parts
from sd_bench.weights.model_parts import parts
from tests.support.state_dicts import network_parts, state_dict

SCHEDULER: dict[str, Any] = {
    "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
    "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
    "clip_sample": False, "prediction_type": "epsilon",
}  # fmt: skip


@lru_cache(maxsize=4)
def tiny_config(model_version: str = "sd2_tiny") -> Config:
    return compose_config(
        "gpu=cpu", "precision=fp32", "sampler=ddim", f"model_version={model_version}"
    )


@lru_cache(maxsize=4)
def _state(model_version: str) -> dict[str, Tensor]:
    return state_dict(tiny_config(model_version))


def tiny_state(model_version: str = "sd2_tiny") -> dict[str, Tensor]:
    """A state dict in the published layout; the dict may be changed, its tensors may not."""
    return dict(_state(model_version))


@lru_cache(maxsize=4)
def tiny_parts(model_version: str = "sd2_tiny") -> dict[str, Tensor]:
    return network_parts(tiny_config(model_version))


def loaded(
    path: Path, model_version: str = "sd2_tiny", ignore_extra_keys: bool = False
) -> dict[str, Tensor]:
    """Every part of the model as it is loaded. Raises WeightsError."""
    model = tiny_config(model_version).model_version
    checkpoint = open_checkpoint(path)
    check_fits(checkpoint, model, known_models(), ignore_extra_keys)
    return {key: read(stored) for key, stored in stored_parts(checkpoint, model).items()}


def assert_right(found: Mapping[str, Tensor], model_version: str = "sd2_tiny") -> None:
    """Assert that these are the numbers of the tiny model's random weights."""
    expected = tiny_parts(model_version)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key].float().view(value.shape), value), key


def assert_loads(path: Path, model_version: str = "sd2_tiny") -> None:
    assert_right(loaded(path, model_version), model_version)


def networks_of(model_version: str = "sd2_tiny") -> dict[str, dict[str, Tensor]]:
    """The state dict of each network under the keys of diffusers."""
    found: dict[str, dict[str, Tensor]] = {}
    values = tiny_parts(model_version)
    for part in parts(tiny_config(model_version).model_version):
        network, _, key = part.diffusers.key.partition("/")
        found.setdefault(network, {})[key] = values[part.key]
    return found


def save_folder(folder: Path, model_version: str = "sd2_tiny", **scheduler: Any) -> Path:
    """Save as diffusers saves a pipeline; ``scheduler`` are settings that replace the defaults."""
    for network, tensors in networks_of(model_version).items():
        (folder / network).mkdir(parents=True)
        stem = "model" if network == "text_encoder" else "diffusion_pytorch_model"
        save_file({k: t.contiguous() for k, t in tensors.items()},
                  folder / network / f"{stem}.safetensors")  # fmt: skip
    text = tiny_config(model_version).model_version.text_encoder
    text_config = {"hidden_act": text.activation, "num_attention_heads": text.heads}
    write_json(folder / "text_encoder" / "config.json", text_config)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER | scheduler)
    return folder


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
