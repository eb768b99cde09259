"""The two forms of the UNet's attention: the original CrossAttention and nn.MultiheadAttention.

Both take queries ``x`` [B, N, C] and a ``context`` [B, M, D] (None: self-attention), and give
[B, N, C]. There is no mask, no dropout and no bias on the projections of q, k and v.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sd_bench.config.schema import AttentionConfig
from sd_bench.networks.xformers_loading import memory_efficient_attention


class AttentionFactory(Protocol):
    """Makes one attention module of the UNet."""

    def __call__(self, query_dim: int, context_dim: int, num_heads: int) -> nn.Module: ...


#: q, k, v as [B, H, N or M, C/H], already projected; gives [B, H, N, C/H].
AttentionCore = Callable[[Tensor, Tensor, Tensor], Tensor]


class CrossAttention(nn.Module):
    """The original code's attention: four linear layers around an attention core."""

    def __init__(
        self, query_dim: int, context_dim: int, num_heads: int, core: AttentionCore
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.core = core
        self.to_q = nn.Linear(query_dim, query_dim, bias=False)
        self.to_k = nn.Linear(context_dim, query_dim, bias=False)
        self.to_v = nn.Linear(context_dim, query_dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(query_dim, query_dim))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        heads = (self._split(t) for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        out = self.core(*heads)  # [B, H, N, C/H]
        return self.to_out(out.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class MultiheadAttention(nn.Module):
    """nn.MultiheadAttention's parameters and its unfused-projection path, and no other.

    ``nn.MultiheadAttention.forward`` may take a fused inference kernel that ignores which
    backend of scaled_dot_product_attention is switched on; the function that it calls otherwise
    is called here directly, so that path cannot be taken under any version of PyTorch.
    """

    def __init__(self, query_dim: int, context_dim: int, num_heads: int) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(
            query_dim, num_heads, kdim=context_dim, vdim=context_dim, batch_first=True
        )

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        mha = self.mha
        query = x.transpose(0, 1)  # [N, B, C]
        key = query if context is None else context.transpose(0, 1)  # [M, B, D]
        out, _ = F.multi_head_attention_forward(
            query,
            key,
            key,
            mha.embed_dim,
            mha.num_heads,
            mha.in_proj_weight,
            mha.in_proj_bias,
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=mha.out_proj.weight,
            out_proj_bias=mha.out_proj.bias,
            training=False,
            need_weights=False,
            use_separate_proj_weight=not mha._qkv_same_embed_dim,
            q_proj_weight=mha.q_proj_weight,
            k_proj_weight=mha.k_proj_weight,
            v_proj_weight=mha.v_proj_weight,
        )
        return out.transpose(0, 1)


def unfused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(QK^T / sqrt(d)) V, each product on its own."""
    heads = q.shape[1]
    q, k, v = (t.flatten(0, 1) for t in (q, k, v))  # [B*H, N, C/H]
    return _weighted(_scores(q, k), v).unflatten(0, (-1, heads))


def unfused_upcast(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As ``unfused``, with QK^T and softmax in fp32, as the published original code did."""
    heads = q.shape[1]
    q, k, v = (t.flatten(0, 1) for t in (q, k, v))  # [B*H, N, C/H]
    with torch.autocast(device_type=q.device.type, enabled=False):
        scores = _scores(q.float(), k.float())
    return _weighted(scores, v).unflatten(0, (-1, heads))


def _scores(q: Tensor, k: Tensor) -> Tensor:
    return torch.bmm(q, k.transpose(1, 2)) * q.shape[-1] ** -0.5


def _weighted(scores: Tensor, v: Tensor) -> Tensor:
    return torch.bmm(scores.softmax(dim=-1).to(v.dtype), v)


def xformers_core() -> AttentionCore:
    """xformers.ops.memory_efficient_attention. Raises ImportError without xFormers."""
    attend = memory_efficient_attention()

    def core(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # xFormers wants [B, N, H, C/H]
        return attend(q, k, v).transpose(1, 2)

    return core


def _unfused_core(config: AttentionConfig) -> AttentionCore:
    return unfused_upcast if config.upcast else unfused


#: What makes the core of each backend that lives in the original CrossAttention.
_CORES: dict[str, Callable[[AttentionConfig], AttentionCore]] = {
    "original": _unfused_core,
    "xformers": lambda config: xformers_core(),
}


def attention_factory(config: AttentionConfig) -> AttentionFactory:
    """The maker of the attention modules that ``config`` names."""
    if config.uses_multihead_attention:
        return MultiheadAttention
    core = _CORES[config.backend](config)
    return lambda query_dim, context_dim, num_heads: CrossAttention(
        query_dim, context_dim, num_heads, core
    )


def is_unet_attention(module: nn.Module) -> bool:
    """Whether ``module`` is one of the UNet's attention modules."""
    return isinstance(module, (CrossAttention, MultiheadAttention))
