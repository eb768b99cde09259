"""Our weights in diffusers' layout: the same numbers as from its own converters, uncopied."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sd_bench.implementations.our_networks import build_networks
from sd_bench.implementations.peer_weights import hand_over, in_diffusers_layout
from tests.fidelity import peers
from tests.support.composition import Compose
from tests.support.implementations import CPU

pytestmark = pytest.mark.slow

pytest.importorskip("diffusers")


@pytest.mark.parametrize("model", ["sd1_tiny", "sd2_tiny"])
def test_the_layout_is_what_diffusers_own_converters_make_without_a_copy(
    tiny: Compose, model: str
) -> None:
    config = tiny(f"model_version={model}", "attention=original").model_version
    networks = build_networks(tiny(f"model_version={model}", "attention=original"), CPU)
    text_encoder, unet, autoencoder = networks
    converted = {
        "text_encoder": peers.transformers_text_model(text_encoder, config.text_encoder),
        "unet": peers.diffusers_unet(unet, config.unet),
        "vae": peers.diffusers_autoencoder(autoencoder, config.autoencoder),
    }
    storages = {
        parameter.untyped_storage().data_ptr()
        for network in networks
        for parameter in network.parameters()
    }
    weights = in_diffusers_layout(config, networks)
    assert set(weights) == set(converted)
    for name, peer in converted.items():
        expected: dict[str, Tensor] = peer.state_dict()
        assert set(weights[name]) == set(expected)
        for key, tensor in weights[name].items():
            assert torch.equal(tensor.flatten(), expected[key].flatten()), key
            assert tensor.untyped_storage().data_ptr() in storages, key


def test_weights_are_handed_over_whole_or_not_at_all(tiny: Compose) -> None:
    from sd_bench.implementations.diffusers_networks import empty_unet

    config = tiny("attention=original")
    networks = build_networks(config, CPU)
    weights = dict(in_diffusers_layout(config.model_version, networks)["unet"])

    def empty() -> Any:
        with torch.device("meta"):
            return empty_unet(config.model_version.unet, upcast=False)

    unet = empty()
    hand_over(weights, unet)
    assert not any(tensor.is_meta for tensor in [*unet.parameters(), *unet.buffers()])
    assert unet.conv_in.weight.data_ptr() == weights["conv_in.weight"].data_ptr()

    bias = weights.pop("conv_in.bias")
    with pytest.raises(RuntimeError, match=r"Missing key.*conv_in\.bias"):
        hand_over(weights, empty())
    with pytest.raises(RuntimeError, match=r"Unexpected key.*stranger"):
        hand_over({**weights, "conv_in.bias": bias, "stranger": bias}, empty())
    with pytest.raises(RuntimeError, match="size mismatch"):
        hand_over({**weights, "conv_in.bias": bias[1:]}, empty())
