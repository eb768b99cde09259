"""The list of every tensor agrees with the networks, the real checkpoints and itself."""

from __future__ import annotations

import ast

import pytest
import torch

from sd_bench.capabilities.torch_compat import uninitialised
from sd_bench.config.schema import ModelConfig
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.weights.layout import part_keys
from sd_bench.weights.model_parts import parts
from sd_bench.weights.parts import AUTOENCODER, LAYOUTS, TEXT_ENCODER, UNET
from tests.support.composition import Compose
from tests.support.real_layouts import real_layout

MODELS = ("sd1", "sd2", "sd1_tiny", "sd2_tiny", "sd2_768_tiny")


def file_shapes(model: ModelConfig, layout: str) -> dict[str, tuple[int, ...]]:
    """Every tensor of a file with ``layout``, assembled from its pieces."""
    shapes: dict[str, tuple[int, ...]] = {}
    for part in parts(model):
        place = part.place(layout)
        shapes[place.key] = (part.shape[0] * place.count, *part.shape[1:])
    return shapes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_version", "layout", "real"),
    [
        ("sd1", "published", "sd1"),
        ("sd2", "published", "sd2"),
        ("sd2", "multihead", "sd2_native_mha"),
    ],
)
def test_unet_and_autoencoder_are_those_of_the_real_checkpoints(
    compose_config: Compose, model_version: str, layout: str, real: str
) -> None:
    model = compose_config(f"model_version={model_version}").model_version
    ours = {k: s for k, s in file_shapes(model, layout).items() if not k.startswith(TEXT_ENCODER)}
    expected = {k: ast.literal_eval(s) for k, s in real_layout(real).items()}
    biases = {k for k in expected if k.endswith("mha.in_proj_bias")}
    assert len(biases) == (32 if layout == "multihead" else 0)
    assert ours == {k: s for k, s in expected.items() if k not in biases}


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["original", "math"])
@pytest.mark.parametrize("model_version", MODELS)
def test_every_parameter_is_made_of_parts_of_its_shape_and_no_part_is_left(
    compose_config: Compose, model_version: str, attention: str
) -> None:
    config = compose_config(
        f"model_version={model_version}", f"attention={attention}", "sampler=ddim"
    )
    model = config.model_version
    with uninitialised():
        networks: dict[str, torch.nn.Module] = {
            TEXT_ENCODER: TextEncoder(model.text_encoder),
            UNET: UNet(model.unet, attention_factory(config.attention)),
            AUTOENCODER: Autoencoder(model.autoencoder),
        }
    left = {part.key: part.shape for part in parts(model)}
    assert len(left) == len(parts(model))
    for prefix, network in networks.items():
        for name, parameter in network.named_parameters():
            shapes = [left.pop(key) for key in part_keys(prefix + name)]
            if name.endswith("in_proj_bias") and prefix == UNET:
                assert shapes == []
            else:
                stacked = (sum(shape[0] for shape in shapes), *shapes[0][1:])
                assert stacked == tuple(parameter.shape)
    assert left == {}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("model_version", MODELS)
def test_no_two_parts_share_a_place(
    compose_config: Compose, model_version: str, layout: str
) -> None:
    model = compose_config(f"model_version={model_version}", "sampler=ddim").model_version
    places = [(p.place(layout).key, p.place(layout).piece) for p in parts(model)]
    assert len(set(places)) == len(places)
    counts = {p.place(layout).key: p.place(layout).count for p in parts(model)}
    assert sum(counts.values()) == len(places)


def test_sd2_keeps_open_clips_names_in_one_file_and_transformers_in_a_folder(
    compose_config: Compose,
) -> None:
    sd1, sd2 = (compose_config(f"model_version={m}").model_version for m in ("sd1", "sd2"))
    q = "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.weight"
    resblock = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight"
    folder = "text_encoder/text_model.encoder.layers.0.self_attn.q_proj.weight"
    assert file_shapes(sd1, "published")[q] == (768, 768)
    assert file_shapes(sd2, "published")[resblock] == (3072, 1024)
    assert file_shapes(sd2, "diffusers")[folder] == (1024, 1024)
    assert file_shapes(sd1, "diffusers")[folder] == (768, 768)
