"""Every tensor of a model's three networks; needs no torch."""

from __future__ import annotations

from sd_bench.config.schema import ModelConfig
from sd_bench.weights.autoencoder_parts import autoencoder_parts
from sd_bench.weights.parts import Part
from sd_bench.weights.text_encoder_parts import text_encoder_parts
from sd_bench.weights.unet_parts import unet_parts


def parts(model: ModelConfig) -> list[Part]:
    """All tensors of the UNet, the autoencoder and the text encoder, with q, k and v separate."""
    return [
        *unet_parts(model.unet),
        *autoencoder_parts(model.autoencoder),
        *text_encoder_parts(model.text_encoder),
    ]
