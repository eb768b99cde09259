"""``implementation=diffusers``: its three networks with our weights and our sampler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import (
    Attention,
    AttnProcessor,
    AttnProcessor2_0,
    XFormersAttnProcessor,
)
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from sd_bench.capabilities.torch_compat import Watcher
from sd_bench.config.schema import (
    AttentionConfig,
    AutoencoderConfig,
    Config,
    TextEncoderConfig,
    UNetConfig,
)
from sd_bench.implementations.our_networks import build_networks
from sd_bench.implementations.peer_weights import hand_over, in_diffusers_layout
from sd_bench.implementations.torch_networks import TorchImplementation, TorchNetworks

#: The attention processor of each backend that is not one of scaled_dot_product_attention's.
_PROCESSORS = {"original": AttnProcessor, "xformers": XFormersAttnProcessor}


class UNetCall(nn.Module):
    """diffusers' UNet as a function from ``x``, ``timesteps`` ([B] or one for all) and ``context``
    to a tensor."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        prediction: Tensor = self.unet(x, timesteps, context, return_dict=False)[0]
        return prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusersNetworks:
    """transformers' CLIPTextModel, diffusers' UNet2DConditionModel and AutoencoderKL."""

    text_encoder: Any
    unet: Any
    autoencoder: Any

    def encode_text(self, tokens: Tensor) -> Tensor:
        hidden: Tensor = self.text_encoder(tokens).last_hidden_state
        return hidden

    def decode(self, latents: Tensor) -> Tensor:
        images: Tensor = self.autoencoder.decode(latents, return_dict=False)[0]
        return images


class Diffusers(TorchImplementation):
    """diffusers' networks for any cell that ``why_not`` of its entry does not refuse.

    The UNet has the attention that the cell names; the text encoder and the autoencoder have their
    library's default, scaled_dot_product_attention with PyTorch's choice of backend. The blocks of
    ``regional_compile`` are those that diffusers lists (``UNet2DConditionModel._repeated_blocks``)
    and compiles in ``compile_repeated_blocks``; here the common code compiles them in the same way,
    and counts their compiled calls.
    """

    def __init__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> None:
        self.peer = build_diffusers(config, device)
        unet, modules = self.peer.unet, list(self.peer.unet.modules())
        networks = TorchNetworks(
            encode_text=self.peer.encode_text,
            unet=UNetCall(unet),
            decode=self.peer.decode,
            modules=(self.peer.text_encoder, unet, self.peer.autoencoder),
            attention_modules=[module for module in modules if isinstance(module, Attention)],
            repeated_blocks=[m for m in modules if type(m).__name__ in unet._repeated_blocks],
        )
        super().__init__(config, device, networks, watcher)

    def encode_text(self, tokens: Tensor) -> Tensor:
        return self.networks.encode_text(tokens)


def build_diffusers(config: Config, device: torch.device) -> DiffusersNetworks:
    """The networks on ``device`` in eval mode, with the same weights as ours.

    Raises WeightsError if ``config.weights`` names a checkpoint that cannot be used.
    """
    model = config.model_version
    # In the original form each projection has its own tensor, as in diffusers.
    ours = build_networks(replace(config, attention=AttentionConfig(backend="original")), device)
    weights = in_diffusers_layout(model, ours)
    with torch.device("meta"):
        text_encoder = empty_text_encoder(model.text_encoder)
        unet = empty_unet(model.unet, config.attention.upcast is True)
        autoencoder = empty_autoencoder(model.autoencoder, model.latent_scale)
    networks = {"text_encoder": text_encoder, "unet": unet, "vae": autoencoder}
    for name, network in networks.items():
        hand_over(weights[name], network)
        network.eval()
    positions = torch.arange(model.text_encoder.context_length, device=device)
    text_encoder.embeddings.position_ids = positions[None]  # not a weight: still on meta
    unet.set_attn_processor(_PROCESSORS.get(config.attention.backend, AttnProcessor2_0)())
    if config.optimizations.fused_projections:
        unet.fuse_qkv_projections()
        autoencoder.fuse_qkv_projections()
    return DiffusersNetworks(text_encoder=text_encoder, unet=unet, autoencoder=autoencoder)


def empty_unet(config: UNetConfig, upcast: bool) -> Any:
    """A UNet2DConditionModel of this shape, without our weights."""
    widths = [config.model_channels * multiplier for multiplier in config.channel_mult]
    has_attention = [2**level in config.attention_resolutions for level in range(len(widths))]
    return UNet2DConditionModel(
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        down_block_types=[_block("Down", attends) for attends in has_attention],
        up_block_types=[_block("Up", attends) for attends in reversed(has_attention)],
        block_out_channels=widths,
        layers_per_block=config.num_res_blocks,
        transformer_layers_per_block=config.transformer_depth,
        cross_attention_dim=config.context_dim,
        # Despite its name this is the number of heads per level.
        attention_head_dim=[
            config.num_heads or width // (config.num_head_channels or width) for width in widths
        ],
        use_linear_projection=config.use_linear_in_transformer,
        upcast_attention=upcast,
    )


def _block(side: str, attends: bool) -> str:
    return f"CrossAttn{side}Block2D" if attends else f"{side}Block2D"


def empty_autoencoder(config: AutoencoderConfig, latent_scale: float) -> Any:
    """An AutoencoderKL of this shape, without our weights."""
    widths = [config.ch * multiplier for multiplier in config.ch_mult]
    return AutoencoderKL(
        in_channels=config.in_channels,
        out_channels=config.out_ch,
        down_block_types=["DownEncoderBlock2D"] * len(widths),
        up_block_types=["UpDecoderBlock2D"] * len(widths),
        block_out_channels=widths,
        layers_per_block=config.num_res_blocks,
        latent_channels=config.z_channels,
        scaling_factor=latent_scale,
    )


def empty_text_encoder(config: TextEncoderConfig) -> Any:
    """A CLIPTextModel of this shape, without our weights."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.width,
            intermediate_size=4 * config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            max_position_embeddings=config.context_length,
            hidden_act=config.activation,
        )
    )
