"""The two layouts of the UNet's attention weights, and which key of one comes from which of other.

The published layout has ``to_q``, ``to_k``, ``to_v`` and ``to_out.0``; nn.MultiheadAttention
keeps the same numbers in ``mha.*``, those of self-attention in one matrix.
"""

from __future__ import annotations

_PUBLISHED_PARTS = {
    "mha.in_proj_weight": ("to_q.weight", "to_k.weight", "to_v.weight"),
    "mha.q_proj_weight": ("to_q.weight",),
    "mha.k_proj_weight": ("to_k.weight",),
    "mha.v_proj_weight": ("to_v.weight",),
    "mha.out_proj.weight": ("to_out.0.weight",),
    "mha.out_proj.bias": ("to_out.0.bias",),
    "mha.in_proj_bias": (),
}


def published_keys(key: str) -> tuple[str, ...]:
    """The published keys whose tensors, stacked on their first axis, make up ``key``.

    A key without ``mha`` is its own; an empty answer means zeros (the published attention has no
    bias on its projections).
    """
    head, found, tail = key.partition("mha.")
    if not found:
        return (key,)
    return tuple(head + part for part in _PUBLISHED_PARTS[found + tail])
