"""The networks' keys and shapes are those of the real checkpoints."""

from __future__ import annotations

import pytest
import torch

from sd_bench.capabilities.torch_compat import uninitialised
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from tests.support.composition import Compose
from tests.support.real_layouts import real_layout


def shapes(prefix: str, module: torch.nn.Module) -> dict[str, str]:
    return {prefix + key: str(tuple(value.shape)) for key, value in module.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_version", "attention", "layout"),
    [
        ("sd1", "original", "sd1"),
        ("sd2", "original", "sd2"),
        ("sd2", "math", "sd2_native_mha"),
        ("sd2_768", "original", "sd2"),
    ],
)
def test_all_934_keys_and_shapes_are_the_checkpoints(
    compose_config: Compose, model_version: str, attention: str, layout: str
) -> None:
    config = compose_config(
        f"model_version={model_version}", f"attention={attention}", "sampler=ddim"
    )
    with uninitialised():
        unet = UNet(config.model_version.unet, attention_factory(config.attention))
        autoencoder = Autoencoder(config.model_version.autoencoder)
    ours = shapes("model.diffusion_model.", unet) | shapes("first_stage_model.", autoencoder)
    assert len(ours) == 934
    assert ours == real_layout(layout)


@pytest.mark.parametrize(
    ("model_version", "unet_parameters"), [("sd1", 859_520_964), ("sd2", 865_910_724)]
)
def test_the_numbers_of_parameters_are_the_published_ones(
    compose_config: Compose, model_version: str, unet_parameters: int
) -> None:
    config = compose_config(f"model_version={model_version}", "attention=original")
    with uninitialised():
        unet = UNet(config.model_version.unet, attention_factory(config.attention))
        autoencoder = Autoencoder(config.model_version.autoencoder)
    assert sum(p.numel() for p in unet.parameters()) == unet_parameters
    assert sum(p.numel() for p in autoencoder.parameters()) == 83_653_863


@pytest.mark.slow
@pytest.mark.parametrize("tiny_twin", ["sd1_tiny", "sd2_tiny", "sd2_768_tiny"])
@pytest.mark.parametrize("attention", ["original", "math"])
def test_a_tiny_twin_has_the_structure_of_its_model(
    compose_config: Compose, tiny_twin: str, attention: str
) -> None:
    def keys(name: str) -> set[str]:
        config = compose_config(f"model_version={name}", f"attention={attention}", "sampler=ddim")
        with uninitialised():
            unet = UNet(config.model_version.unet, attention_factory(config.attention))
            autoencoder = Autoencoder(config.model_version.autoencoder)
        return set(shapes("unet.", unet) | shapes("autoencoder.", autoencoder))

    assert keys(tiny_twin) == keys(tiny_twin.removesuffix("_tiny"))


@pytest.mark.parametrize(
    ("model_version", "layers", "width"), [("sd1", 12, 768), ("sd2", 23, 1024)]
)
def test_the_text_encoder_is_clip_of_the_published_size(
    compose_config: Compose, model_version: str, layers: int, width: int
) -> None:
    config = compose_config(f"model_version={model_version}").model_version.text_encoder
    with uninitialised():
        encoder = TextEncoder(config)
    ours = shapes("", encoder)
    assert ours["model.token_embedding.weight"] == f"(49408, {width})"
    assert ours["model.positional_embedding"] == f"(77, {width})"
    assert ours["model.ln_final.weight"] == f"({width},)"
    blocks = {key.split(".")[3] for key in ours if ".resblocks." in key}
    assert blocks == {str(i) for i in range(layers)}
    assert not any("visual" in key for key in ours)
