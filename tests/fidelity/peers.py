"""The same networks, tokenizers and pipelines by others, with our weights.

Weights go over as a published checkpoint, and are converted by diffusers' own converters. They
share our tensors' memory where the layouts are alike, so that full-size networks fit twice.
diffusers and transformers are imported where they are needed: that takes seconds, and every
process that collects tests reads this module.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from typing import Any

import torch
from open_clip.tokenizer import default_bpe
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from sd_bench.config import AutoencoderConfig, TextEncoderConfig, UNetConfig
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.pipeline import AUTOENCODER_PREFIX, TEXT_ENCODER_PREFIX, UNET_PREFIX

#: How the published sd1 checkpoint names the parts of a layer of its text encoder (transformers'
#: names), by ours (open_clip's); q, k and v are apart there.
_SD1_LAYER_PARTS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_SD1_OTHERS = {
    "model.token_embedding.weight": "embeddings.token_embedding.weight",
    "model.positional_embedding": "embeddings.position_embedding.weight",
    "model.ln_final.weight": "final_layer_norm.weight",
    "model.ln_final.bias": "final_layer_norm.bias",
}
_SD1_TEXT_PREFIX = "cond_stage_model.transformer.text_model."


def diffusers_unet(ours: UNet, config: UNetConfig) -> Any:
    """diffusers' UNet2DConditionModel with the weights of ``ours`` (attention=original)."""
    from diffusers import UNet2DConditionModel
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    widths = [config.model_channels * multiplier for multiplier in config.channel_mult]
    # What diffusers calls attention_head_dim is the number of heads, one a level.
    if config.num_heads is not None:
        heads = [config.num_heads] * len(widths)
    else:
        assert config.num_head_channels is not None
        heads = [width // config.num_head_channels for width in widths]
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            in_channels=config.in_channels,
            out_channels=config.out_channels,
            block_out_channels=widths,
            layers_per_block=config.num_res_blocks,
            cross_attention_dim=config.context_dim,
            attention_head_dim=heads,
            use_linear_projection=config.use_linear_in_transformer,
        )
    checkpoint = _as_checkpoint(ours, UNET_PREFIX)
    unet.load_state_dict(convert_ldm_unet_checkpoint(checkpoint, unet.config), assign=True)
    return unet.eval()


def diffusers_autoencoder(ours: Autoencoder, config: AutoencoderConfig) -> Any:
    """diffusers' AutoencoderKL with the weights of ``ours``."""
    from diffusers import AutoencoderKL
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    widths = [config.ch * multiplier for multiplier in config.ch_mult]
    with torch.device("meta"):
        autoencoder = AutoencoderKL(
            in_channels=config.in_channels,
            out_channels=config.out_ch,
            down_block_types=["DownEncoderBlock2D"] * len(widths),
            up_block_types=["UpDecoderBlock2D"] * len(widths),
            block_out_channels=widths,
            layers_per_block=config.num_res_blocks,
            latent_channels=config.z_channels,
        )
    checkpoint = _as_checkpoint(ours, AUTOENCODER_PREFIX)
    converted = convert_ldm_vae_checkpoint(checkpoint, autoencoder.config)
    autoencoder.load_state_dict(converted, assign=True)
    return autoencoder.eval()


def transformers_text_model(ours: TextEncoder, config: TextEncoderConfig) -> Any:
    """transformers' CLIPTextModel with the weights of ``ours``.

    They go over in the layout of the published checkpoint of each model: transformers' names in
    sd1 (its activation is quick_gelu), open_clip's in sd2.
    """
    from diffusers.loaders.single_file_utils import (
        convert_ldm_clip_checkpoint,
        convert_open_clip_checkpoint,
    )
    from transformers import CLIPTextConfig, CLIPTextModel

    model = CLIPTextModel(
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
    )
    if config.activation == "quick_gelu":
        converted = convert_ldm_clip_checkpoint(_sd1_text_checkpoint(ours))
    else:
        checkpoint = _as_checkpoint(ours, TEXT_ENCODER_PREFIX)
        converted = convert_open_clip_checkpoint(model, checkpoint)
    # The converters write a prefix that transformers has dropped in version 5.
    weights = {key.removeprefix("text_model."): value for key, value in converted.items()}
    model.load_state_dict(weights, assign=True)
    return model.eval()


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


@lru_cache(maxsize=2)
def transformers_tokenizer(pad_token: str) -> Any:
    """transformers' CLIPTokenizer, its vocabulary and merges read from the list of merges that
    comes with open_clip (the one that CLIP was published with)."""
    from transformers import CLIPTokenizer

    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    merges = [(left, right) for left, right in map(str.split, lines[1 : 49152 - 256 - 2 + 1])]
    letters = _byte_letters()
    words = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad_token, model_max_length=77)


def _byte_letters() -> list[str]:
    """The printable letter that stands for each byte, in the vocabulary's order: bytes that print
    stand for themselves and come first, the others follow from U+0100 on."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = 256 - len(printing)
    return [chr(code) for code in [*printing, *range(0x100, 0x100 + others)]]


def _as_checkpoint(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in module.state_dict().items()}


def _sd1_text_checkpoint(ours: TextEncoder) -> dict[str, Tensor]:
    """The text encoder's weights under the keys of the published sd1 checkpoint."""
    checkpoint = {}
    for key, value in ours.state_dict().items():
        if key in _SD1_OTHERS:
            checkpoint[_SD1_OTHERS[key]] = value
            continue
        layer, part = key.removeprefix("model.transformer.resblocks.").split(".", 1)
        published = f"encoder.layers.{layer}."
        if part.startswith("attn.in_proj_"):
            kind = part.removeprefix("attn.in_proj_")
            for name, third in zip("qkv", value.chunk(3), strict=True):
                checkpoint[f"{published}self_attn.{name}_proj.{kind}"] = third
        else:
            module, kind = part.rsplit(".", 1)
            checkpoint[f"{published}{_SD1_LAYER_PARTS[module]}.{kind}"] = value
    return {_SD1_TEXT_PREFIX + key: value for key, value in checkpoint.items()}
