"""Other implementations of the same networks: empty, or with our weights.

Weights are passed as a published checkpoint and converted by diffusers' own converters. They share
the memory of our tensors if the layouts are equal, so that full-size networks fit twice. diffusers
and transformers are imported only when needed: it takes seconds, and every process that collects
tests imports this module.
"""

from __future__ import annotations

from typing import Any

import torch
from open_clip.transformer import TextTransformer

from sd_bench.config.schema import AutoencoderConfig, TextEncoderConfig, UNetConfig
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.weights.parts import AUTOENCODER, UNET
from tests.fidelity.checkpoints import published, published_text_encoder


def empty_unet(config: UNetConfig) -> Any:
    """A UNet2DConditionModel of diffusers with this shape."""
    from diffusers import UNet2DConditionModel

    widths = [config.model_channels * multiplier for multiplier in config.channel_mult]
    # attention_head_dim in diffusers is the number of heads, one number per level.
    if config.num_heads is not None:
        heads = [config.num_heads] * len(widths)
    else:
        assert config.num_head_channels is not None
        heads = [width // config.num_head_channels for width in widths]
    return UNet2DConditionModel(
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        block_out_channels=widths,
        layers_per_block=config.num_res_blocks,
        cross_attention_dim=config.context_dim,
        attention_head_dim=heads,
        use_linear_projection=config.use_linear_in_transformer,
    ).eval()


def empty_autoencoder(config: AutoencoderConfig) -> Any:
    """An AutoencoderKL of diffusers with this shape."""
    from diffusers import AutoencoderKL

    widths = [config.ch * multiplier for multiplier in config.ch_mult]
    return AutoencoderKL(
        in_channels=config.in_channels,
        out_channels=config.out_ch,
        down_block_types=["DownEncoderBlock2D"] * len(widths),
        up_block_types=["UpDecoderBlock2D"] * len(widths),
        block_out_channels=widths,
        layers_per_block=config.num_res_blocks,
        latent_channels=config.z_channels,
    ).eval()


def empty_text_model(config: TextEncoderConfig) -> Any:
    """A CLIPTextModel of transformers with this shape."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.width,
            intermediate_size=4 * config.width,
            projection_dim=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            max_position_embeddings=config.context_length,
            hidden_act=config.activation,
        )
    ).eval()


def diffusers_unet(ours: UNet, config: UNetConfig) -> Any:
    """diffusers' UNet with the weights of ``ours`` (attention=original)."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    with torch.device("meta"):
        unet = empty_unet(config)
    converted = convert_ldm_unet_checkpoint(published(ours, UNET), unet.config)
    unet.load_state_dict(converted, assign=True)
    return unet


def diffusers_autoencoder(ours: Autoencoder, config: AutoencoderConfig) -> Any:
    """diffusers' autoencoder with the weights of ``ours``."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    with torch.device("meta"):
        autoencoder = empty_autoencoder(config)
    converted = convert_ldm_vae_checkpoint(published(ours, AUTOENCODER), autoencoder.config)
    autoencoder.load_state_dict(converted, assign=True)
    return autoencoder


def transformers_text_model(ours: TextEncoder, config: TextEncoderConfig) -> Any:
    """transformers' text model with the weights of ``ours``."""
    from diffusers.loaders.single_file_utils import (
        convert_ldm_clip_checkpoint,
        convert_open_clip_checkpoint,
    )

    with torch.device("meta"):
        model = empty_text_model(config)
    checkpoint = published_text_encoder(ours, config.library)
    if config.library == "transformers":
        converted = convert_ldm_clip_checkpoint(checkpoint)
    else:
        converted = convert_open_clip_checkpoint(model, checkpoint)
    # The converters write a prefix that transformers has dropped in version 5.
    weights = {key.removeprefix("text_model."): value for key, value in converted.items()}
    model.load_state_dict(weights, assign=True)
    # it is not a weight, so it is still on the meta device
    model.embeddings.position_ids = torch.arange(config.context_length)[None]
    return model


def open_clip_tower(ours: TextEncoder, config: TextEncoderConfig) -> TextTransformer:
    """open_clip's whole text tower: the layers of ``ours``, one more with other weights, and the
    projection. The published sd2 reads it before that last layer."""
    tower = TextTransformer(
        context_length=config.context_length,
        vocab_size=config.vocab_size,
        width=config.width,
        heads=config.heads,
        layers=config.layers + 1,
        output_dim=config.width,
    )
    missing, unexpected = tower.load_state_dict(ours.model.state_dict(), strict=False)
    own = {key for key in missing if f".resblocks.{config.layers}." not in key}
    assert own == {"text_projection"}
    assert not unexpected
    return tower.eval()
