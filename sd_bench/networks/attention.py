"""The two forms of the UNet's attention: the original CrossAttention and nn.MultiheadAttention.

Both take queries ``x`` [B, N, C] and a ``context``: features [B, M, D], keys and values already
projected from features, or None for self-attention. They return [B, N, C]. There is no mask and no
dropout, and the original's q, k and v projections have no bias.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sd_bench.config.schema import AttentionConfig
from sd_bench.networks.flex_attention import flex_core
from sd_bench.networks.xformers_loading import memory_efficient_attention


class AttentionFactory(Protocol):
    """Makes one of the UNet's attention modules."""

    def __call__(self, query_dim: int, context_dim: int, num_heads: int) -> UNetAttention: ...


class KeysAndValues(NamedTuple):
    """Keys and values that an attention module projected in advance, each [B, H, M, C/H]."""

    keys: Tensor
    values: Tensor


Context = Tensor | KeysAndValues | None

#: Takes projected q, k, v as [B, H, N or M, C/H]; returns [B, H, N, C/H].
AttentionCore = Callable[[Tensor, Tensor, Tensor], Tensor]


class UNetAttention(nn.Module):
    """Base class of all forms of the UNet's attention modules."""

    def project(self, context: Tensor) -> KeysAndValues:
        """Project ``context`` [B, M, D] to keys and values."""
        raise NotImplementedError


class CrossAttention(UNetAttention):
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

    def forward(self, x: Tensor, context: Context = None) -> Tensor:
        if not isinstance(context, KeysAndValues):
            context = self.project(x if context is None else context)
        out = self.core(split_heads(self.to_q(x), self.num_heads), *context)  # [B, H, N, C/H]
        return self.to_out(out.transpose(1, 2).flatten(2))

    def project(self, context: Tensor) -> KeysAndValues:
        return KeysAndValues(
            *(split_heads(to(context), self.num_heads) for to in (self.to_k, self.to_v))
        )


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Reshape ``x`` from [B, N, C] to [B, H, N, C/H]."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


class MultiheadAttention(UNetAttention):
    """nn.MultiheadAttention's parameters, always computed on its path with separate projections.

    ``nn.MultiheadAttention.forward`` may run a fused inference kernel that ignores which backend
    of scaled_dot_product_attention is enabled. This class calls the function of the other path
    directly, so no version of PyTorch can run that kernel. The function does not accept keys and
    values that are already projected; for those its steps are written out, which needs PyTorch 2.
    """

    def __init__(self, query_dim: int, context_dim: int, num_heads: int) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(
            query_dim, num_heads, kdim=context_dim, vdim=context_dim, batch_first=True
        )

    def forward(self, x: Tensor, context: Context = None) -> Tensor:
        mha = self.mha
        if isinstance(context, KeysAndValues):
            (to_q, _, _), (q_bias, _, _) = self.projections()
            query = split_heads(F.linear(x, to_q, q_bias), mha.num_heads)
            attended = F.scaled_dot_product_attention(query, *context)
            return mha.out_proj(attended.transpose(1, 2).flatten(2))
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

    def project(self, context: Tensor) -> KeysAndValues:
        (_, to_k, to_v), (_, k_bias, v_bias) = self.projections()
        keys, values = F.linear(context, to_k, k_bias), F.linear(context, to_v, v_bias)
        heads = self.mha.num_heads
        return KeysAndValues(split_heads(keys, heads), split_heads(values, heads))

    def projections(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Weights and biases of the projections of q, k and v."""
        mha = self.mha
        biases = mha.in_proj_bias.chunk(3)
        if mha._qkv_same_embed_dim:
            return mha.in_proj_weight.chunk(3), biases
        return (mha.q_proj_weight, mha.k_proj_weight, mha.v_proj_weight), biases


def unfused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(QK^T / sqrt(d)) V, computed as separate products and a softmax."""
    heads = q.shape[1]
    q, k, v = (t.flatten(0, 1) for t in (q, k, v))  # [B*H, N, C/H]
    return _weighted(_scores(q, k), v).unflatten(0, (-1, heads))


def unfused_upcast(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Like ``unfused``, but with QK^T and softmax in fp32, as in the published original code."""
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
    """xFormers' memory_efficient_attention as a core. Raises ImportError without xFormers."""
    attend = memory_efficient_attention()

    def core(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # xFormers wants [B, N, H, C/H]
        return attend(q, k, v).transpose(1, 2)

    return core


def _unfused_core(config: AttentionConfig) -> AttentionCore:
    return unfused_upcast if config.upcast else unfused


#: Makes the core of each backend that is used in the original CrossAttention.
_CORES: dict[str, Callable[[AttentionConfig], AttentionCore]] = {
    "original": _unfused_core,
    "xformers": lambda config: xformers_core(),
    "flex": lambda config: flex_core(),
}


def attention_factory(config: AttentionConfig) -> AttentionFactory:
    """What makes the attention modules that ``config`` names.

    Raises ImportError if the backend's library is missing, LookupError if the backend has no code.
    """
    if config.uses_multihead_attention:
        return MultiheadAttention
    if config.backend not in _CORES:
        raise LookupError(
            f"attention={config.backend}: has an entry in sd_bench/attention_backends.py but no "
            "code: add a function that makes its core to _CORES in sd_bench/networks/attention.py"
        )
    core = _CORES[config.backend](config)
    return lambda query_dim, context_dim, num_heads: CrossAttention(
        query_dim, context_dim, num_heads, core
    )


def is_unet_attention(module: nn.Module) -> bool:
    """Whether ``module`` is one of the UNet's attention modules."""
    return isinstance(module, UNetAttention)
