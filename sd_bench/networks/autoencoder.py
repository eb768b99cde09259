"""The KL-regularised autoencoder between images and latents (Rombach et al. 2022).

Images are [B, 3, 8H, 8W] in -1..1, latents [B, 4, H, W] before the model's latent scale.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sd_bench.config.schema import AutoencoderConfig
from sd_bench.networks.normalization import GroupNorm


def _norm(channels: int) -> GroupNorm:
    return GroupNorm(channels, eps=1e-6)


def _conv3(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)


class ResnetBlock(nn.Module):
    """Two convolutions and a skip connection."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = _norm(in_channels)
        self.conv1 = _conv3(in_channels, out_channels)
        self.norm2 = _norm(out_channels)
        self.conv2 = _conv3(out_channels, out_channels)
        self.nin_shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, kernel_size=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return self.nin_shortcut(x) + h


class AttnBlock(nn.Module):
    """Self-attention with a single head as wide as the features, always computed unfused."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.q = nn.Conv2d(channels, channels, kernel_size=1)
        self.k = nn.Conv2d(channels, channels, kernel_size=1)
        self.v = nn.Conv2d(channels, channels, kernel_size=1)
        self.proj_out = nn.Conv2d(channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2) for layer in (self.q, self.k, self.v))  # [B, C, H*W]
        scores = torch.bmm(q.transpose(1, 2), k) * q.shape[1] ** -0.5  # [B, H*W, H*W]
        out = torch.bmm(v, scores.softmax(dim=-1).to(v.dtype).transpose(1, 2))
        return x + self.proj_out(out.unflatten(2, x.shape[-2:]))


class _Mid(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels)
        self.attn_1 = AttnBlock(channels)
        self.block_2 = ResnetBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class _Downsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class _Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = _conv3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class _DownLevel(nn.Module):
    def __init__(self, channels: int, width: int, num_blocks: int, last: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            ResnetBlock(channels if i == 0 else width, width) for i in range(num_blocks)
        )
        if not last:
            self.downsample = _Downsample(width)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        return x if self.last else self.downsample(x)


class _UpLevel(nn.Module):
    def __init__(self, channels: int, width: int, num_blocks: int, last: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            ResnetBlock(channels if i == 0 else width, width) for i in range(num_blocks)
        )
        if not last:
            self.upsample = _Upsample(width)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        return x if self.last else self.upsample(x)


class Encoder(nn.Module):
    """Images [B, 3, 8H, 8W] to features [B, 2 * z_channels, H, W]."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.ch * multiplier for multiplier in config.ch_mult]
        self.conv_in = _conv3(config.in_channels, config.ch)
        incoming = [config.ch, *widths[:-1]]
        self.down = nn.ModuleList(
            _DownLevel(incoming[i], widths[i], config.num_res_blocks, last=i == len(widths) - 1)
            for i in range(len(widths))
        )
        self.mid = _Mid(widths[-1])
        self.norm_out = _norm(widths[-1])
        self.conv_out = _conv3(widths[-1], 2 * config.z_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Features [B, z_channels, H, W] to images [B, 3, 8H, 8W]."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.ch * multiplier for multiplier in config.ch_mult]
        self.conv_in = _conv3(config.z_channels, widths[-1])
        self.mid = _Mid(widths[-1])
        incoming = [*widths[1:], widths[-1]]
        self.up = nn.ModuleList(  # the finest level first, as in the checkpoints; run in reverse
            _UpLevel(incoming[i], widths[i], config.num_res_blocks + 1, last=i == 0)
            for i in range(len(widths))
        )
        self.norm_out = _norm(widths[0])
        self.conv_out = _conv3(widths[0], config.out_ch)

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Autoencoder(nn.Module):
    """Encodes images to latents and decodes latents to images."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quant_conv = nn.Conv2d(2 * config.z_channels, 2 * config.embed_dim, kernel_size=1)
        self.post_quant_conv = nn.Conv2d(config.embed_dim, config.z_channels, kernel_size=1)

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents' distribution, each [B, 4, H, W]."""
        mean, log_variance = self.quant_conv(self.encoder(image)).chunk(2, dim=1)
        return mean, log_variance.clamp(-30.0, 20.0)

    def decode(self, latents: Tensor) -> Tensor:
        """The images [B, 3, 8H, 8W] of ``latents``, roughly in -1..1, not clamped."""
        return self.decoder(self.post_quant_conv(latents))
