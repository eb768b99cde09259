"""State dicts of tiny models under the keys of real checkpoints, filled by build_networks."""

from __future__ import annotations

import torch
from torch import Tensor

from sd_bench.config.schema import Config
from sd_bench.implementations.our_networks import build_networks
from sd_bench.weights.layout import part_keys
from sd_bench.weights.model_parts import parts
from sd_bench.weights.parts import AUTOENCODER, TEXT_ENCODER, UNET

CPU = torch.device("cpu")

#: Entries of real checkpoints besides the networks.
SCHEDULE_BUFFERS = ("betas", "sqrt_one_minus_alphas_cumprod", "posterior_mean_coef2")


def network_parts(config: Config) -> dict[str, Tensor]:
    """Every part of the cell's networks by its key in the list of parts; q, k and v separately."""
    found: dict[str, Tensor] = {}
    prefixes = (TEXT_ENCODER, UNET, AUTOENCODER)
    for prefix, network in zip(prefixes, build_networks(config, CPU), strict=True):
        for name, parameter in network.named_parameters():
            keys = part_keys(prefix + name)
            pieces = parameter.detach().chunk(len(keys)) if keys else ()
            found.update(zip(keys, (piece.clone() for piece in pieces), strict=True))
    return found


def state_dict(config: Config, layout: str = "published") -> dict[str, Tensor]:
    """The contents of a file with ``layout``, including the extra entries of a real one."""
    found = network_parts(config)
    pieces: dict[str, list[Tensor]] = {}
    for part in parts(config.model_version):
        pieces.setdefault(part.place(layout).key, []).append(found[part.key])
    state = {key: torch.cat(tensors) for key, tensors in pieces.items()}
    state |= {name: torch.zeros(1000) for name in SCHEDULE_BUFFERS}
    if config.model_version.text_encoder.library == "open_clip":
        last = config.model_version.text_encoder.layers
        state[f"{TEXT_ENCODER}model.transformer.resblocks.{last}.ln_1.weight"] = torch.ones(48)
        state[f"{TEXT_ENCODER}model.logit_scale"] = torch.tensor(4.6)
        state[f"{TEXT_ENCODER}model.text_projection"] = torch.zeros(48, 48)
    else:
        ids = f"{TEXT_ENCODER}transformer.text_model.embeddings.position_ids"
        state[ids] = torch.arange(77)[None]
    return state


def with_ema(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """``state`` with the averaged copies of a full checkpoint, each 1 larger."""
    copies = {
        f"model_ema.{key.removeprefix('model.').replace('.', '')}": value + 1
        for key, value in state.items()
        if key.startswith(UNET)
    }
    return {**state, **copies, "model_ema.decay": torch.tensor(0.9999)}
