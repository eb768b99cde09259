"""CLIP's text tower as Stable Diffusion uses it, with open_clip's parameter names.

open_clip has this tower too, but importing it also imports torchvision, timm, transformers and
PyTorch's compiler: more than half of what an eager round would import.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sd_bench.config.schema import TextEncoderConfig

_MLP_RATIO = 4


class QuickGELU(nn.Module):
    """The sigmoid approximation of GELU with which CLIP was first trained."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class LayerNorm(nn.LayerNorm):
    """PyTorch's LayerNorm, but its result has the input's dtype even under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).to(x.dtype)


_ACTIVATIONS = {"gelu": nn.GELU, "quick_gelu": QuickGELU}


class ResidualBlock(nn.Module):
    """Attention over the tokens, then an MLP, each added to the states [B, T, width]."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        width = config.width
        self.ln_1 = LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.ln_2 = LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, _MLP_RATIO * width))
        self.mlp.add_module("gelu", _ACTIVATIONS[config.activation]())
        self.mlp.add_module("c_proj", nn.Linear(_MLP_RATIO * width, width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """The residual blocks in sequence."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(ResidualBlock(config) for _ in range(config.layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class TextTower(nn.Module):
    """The tower itself, with open_clip's parameter names and a causal mask."""

    attn_mask: Tensor

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        length = config.context_length
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.positional_embedding = nn.Parameter(torch.empty(length, config.width))
        self.transformer = Transformer(config)
        self.ln_final = LayerNorm(config.width)
        self.register_buffer("attn_mask", torch.empty(length, length), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token_embedding(tokens) + self.positional_embedding
        return self.ln_final(self.transformer(x, self.attn_mask.to(x.dtype)))


class TextEncoder(nn.Module):
    """Tokens [B, 77] to the hidden states [B, 77, width] that the UNet attends to.

    sd1 uses all layers of ViT-L/14. sd2 uses ViT-H/14 up to the penultimate layer, and the last
    layer is not built. Both end with the tower's final layer norm.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.model = TextTower(config)
        self.fill_mask()

    def fill_mask(self) -> None:
        """Compute the causal mask; needed after ``to_empty``, which leaves it uninitialised."""
        mask = self.model.attn_mask
        mask.copy_(torch.full_like(mask, float("-inf")).triu(1))

    def train(self, mode: bool = True) -> TextEncoder:
        """Set the mode of all modules but nn.MultiheadAttention, which stays in training mode.

        There is no dropout, so this has a single effect: it avoids the fused inference path of
        eval mode in PyTorch 2.0, which ignores the backend switches and fails under autocast.
        """
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.MultiheadAttention):
                module.training = True
        return self

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(tokens)
