"""The autoencoder's tensors: published names, diffusers' names, shapes."""

from __future__ import annotations

from collections.abc import Iterator

from sd_bench.config.schema import AutoencoderConfig
from sd_bench.weights.parts import AUTOENCODER, Module, Part, Place, conv, norm


def autoencoder_parts(config: AutoencoderConfig) -> Iterator[Part]:
    """All tensors of an autoencoder with this configuration."""
    for published, diffusers, shapes in _autoencoder(config):
        for name, shape in shapes.items():
            key = f"{AUTOENCODER}{published}.{name}"
            yield Part(key, shape, Place(key), Place(key), Place(f"vae/{diffusers}.{name}"))


def _autoencoder(config: AutoencoderConfig) -> Iterator[Module]:
    widths = [config.ch * multiplier for multiplier in config.ch_mult]
    last = len(widths) - 1
    yield "encoder.conv_in", "encoder.conv_in", conv(config.ch, config.in_channels, 3)
    for level, (channels, out) in enumerate(zip([config.ch, *widths[:-1]], widths, strict=True)):
        here, there = f"encoder.down.{level}", f"encoder.down_blocks.{level}"
        yield from _stage(here, there, channels, out, config.num_res_blocks)
        if level < last:
            sampler = f"{there}.downsamplers.0.conv"
            yield f"{here}.downsample.conv", sampler, conv(out, out, 3)
    yield from _middle("encoder", widths[-1])
    yield from _end("encoder", widths[-1], 2 * config.z_channels)
    yield "decoder.conv_in", "decoder.conv_in", conv(widths[-1], config.z_channels, 3)
    yield from _middle("decoder", widths[-1])
    for level, (channels, out) in enumerate(zip([*widths[1:], widths[-1]], widths, strict=True)):
        here, there = f"decoder.up.{level}", f"decoder.up_blocks.{last - level}"
        yield from _stage(here, there, channels, out, config.num_res_blocks + 1)
        if level > 0:
            yield f"{here}.upsample.conv", f"{there}.upsamplers.0.conv", conv(out, out, 3)
    yield from _end("decoder", widths[0], config.out_ch)
    twice = 2 * config.embed_dim
    yield "quant_conv", "quant_conv", conv(twice, 2 * config.z_channels, 1)
    yield "post_quant_conv", "post_quant_conv", conv(config.z_channels, config.embed_dim, 1)


def _stage(here: str, there: str, channels: int, out: int, blocks: int) -> Iterator[Module]:
    for i in range(blocks):
        incoming = channels if i == 0 else out
        yield from _vae_resnet(f"{here}.block.{i}", f"{there}.resnets.{i}", incoming, out)


def _vae_resnet(here: str, there: str, channels: int, out: int) -> Iterator[Module]:
    yield f"{here}.norm1", f"{there}.norm1", norm(channels)
    yield f"{here}.conv1", f"{there}.conv1", conv(out, channels, 3)
    yield f"{here}.norm2", f"{there}.norm2", norm(out)
    yield f"{here}.conv2", f"{there}.conv2", conv(out, out, 3)
    if channels != out:
        yield f"{here}.nin_shortcut", f"{there}.conv_shortcut", conv(out, channels, 1)


def _middle(side: str, width: int) -> Iterator[Module]:
    here, there = f"{side}.mid", f"{side}.mid_block"
    yield from _vae_resnet(f"{here}.block_1", f"{there}.resnets.0", width, width)
    yield f"{here}.attn_1.norm", f"{there}.attentions.0.group_norm", norm(width)
    for ours, theirs in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
        # Published as a 1x1 convolution, in diffusers a linear layer: the numbers are the same.
        yield f"{here}.attn_1.{ours}", f"{there}.attentions.0.{theirs}", conv(width, width, 1)
    yield from _vae_resnet(f"{here}.block_2", f"{there}.resnets.1", width, width)


def _end(side: str, width: int, out: int) -> Iterator[Module]:
    yield f"{side}.norm_out", f"{side}.conv_norm_out", norm(width)
    yield f"{side}.conv_out", f"{side}.conv_out", conv(out, width, 3)
