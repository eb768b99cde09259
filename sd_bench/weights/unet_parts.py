"""The UNet's tensors: published names, diffusers' names, shapes."""

from __future__ import annotations

from collections.abc import Iterator

from sd_bench.config.schema import UNetConfig
from sd_bench.weights.layout import multihead_place
from sd_bench.weights.parts import UNET, Module, Part, Place, Shape, conv, linear, norm


def unet_parts(unet: UNetConfig) -> Iterator[Part]:
    """All tensors of a UNet with this configuration."""
    for published, diffusers, shapes in _unet(unet):
        for name, shape in shapes.items():
            key = f"{UNET}{published}.{name}"
            there = Place(f"unet/{diffusers}.{name}")
            yield Part(key, shape, Place(key), multihead_place(key), there)


def _unet(unet: UNetConfig) -> Iterator[Module]:
    width, widths = unet.model_channels, [unet.model_channels * m for m in unet.channel_mult]
    emb = 4 * width
    yield "time_embed.0", "time_embedding.linear_1", linear(emb, width)
    yield "time_embed.2", "time_embedding.linear_2", linear(emb, emb)
    yield "input_blocks.0.0", "conv_in", conv(width, unet.in_channels, 3)
    block, channels, skips = 1, width, [width]
    for level, out in enumerate(widths):
        for i in range(unet.num_res_blocks):
            here, there = f"input_blocks.{block}", f"down_blocks.{level}"
            yield from _resnet(f"{here}.0", f"{there}.resnets.{i}", channels, out, emb)
            if 2**level in unet.attention_resolutions:
                yield from _transformer(f"{here}.1", f"{there}.attentions.{i}", out, unet)
            block, channels = block + 1, out
            skips.append(out)
        if level < len(widths) - 1:
            there = f"down_blocks.{level}.downsamplers.0.conv"
            yield f"input_blocks.{block}.0.op", there, conv(out, out, 3)
            block += 1
            skips.append(out)
    yield from _resnet("middle_block.0", "mid_block.resnets.0", channels, channels, emb)
    yield from _transformer("middle_block.1", "mid_block.attentions.0", channels, unet)
    yield from _resnet("middle_block.2", "mid_block.resnets.1", channels, channels, emb)
    block = 0
    for level, out in reversed(list(enumerate(widths))):
        there = f"up_blocks.{len(widths) - 1 - level}"
        has_attention = 2**level in unet.attention_resolutions
        for i in range(unet.num_res_blocks + 1):
            here = f"output_blocks.{block}"
            joined = channels + skips.pop()
            yield from _resnet(f"{here}.0", f"{there}.resnets.{i}", joined, out, emb)
            if has_attention:
                yield from _transformer(f"{here}.1", f"{there}.attentions.{i}", out, unet)
            if level > 0 and i == unet.num_res_blocks:
                upsample = f"{here}.{1 + has_attention}.conv"
                yield upsample, f"{there}.upsamplers.0.conv", conv(out, out, 3)
            block, channels = block + 1, out
    yield "out.0", "conv_norm_out", norm(width)
    yield "out.2", "conv_out", conv(unet.out_channels, width, 3)


def _resnet(here: str, there: str, channels: int, out: int, emb: int) -> Iterator[Module]:
    yield f"{here}.in_layers.0", f"{there}.norm1", norm(channels)
    yield f"{here}.in_layers.2", f"{there}.conv1", conv(out, channels, 3)
    yield f"{here}.emb_layers.1", f"{there}.time_emb_proj", linear(out, emb)
    yield f"{here}.out_layers.0", f"{there}.norm2", norm(out)
    yield f"{here}.out_layers.3", f"{there}.conv2", conv(out, out, 3)
    if channels != out:
        yield f"{here}.skip_connection", f"{there}.conv_shortcut", conv(out, channels, 1)


def _transformer(here: str, there: str, width: int, unet: UNetConfig) -> Iterator[Module]:
    projection = linear(width, width) if unet.use_linear_in_transformer else conv(width, width, 1)
    modules: dict[str, dict[str, Shape]] = {"norm": norm(width), "proj_in": projection}
    for depth in range(unet.transformer_depth):
        block = f"transformer_blocks.{depth}"
        for attention, source in (("attn1", width), ("attn2", unet.context_dim)):
            modules[f"{block}.{attention}.to_q"] = linear(width, width, bias=False)
            modules[f"{block}.{attention}.to_k"] = linear(width, source, bias=False)
            modules[f"{block}.{attention}.to_v"] = linear(width, source, bias=False)
            modules[f"{block}.{attention}.to_out.0"] = linear(width, width)
        modules[f"{block}.ff.net.0.proj"] = linear(8 * width, width)
        modules[f"{block}.ff.net.2"] = linear(width, 4 * width)
        for i in (1, 2, 3):
            modules[f"{block}.norm{i}"] = norm(width)
    modules["proj_out"] = projection
    for name, shapes in modules.items():
        yield f"{here}.{name}", f"{there}.{name}", shapes
