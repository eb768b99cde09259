"""The UNet's attention in the published layout and in nn.MultiheadAttention's.

The published layout has ``to_q``, ``to_k``, ``to_v`` and ``to_out.0``; nn.MultiheadAttention
keeps the same numbers in ``mha.*``, those of self-attention in one matrix.
"""

from __future__ import annotations

from sd_bench.weights.parts import TEXT_ENCODER, Place
from sd_bench.weights.text_encoder_parts import text_encoder_keys

#: What follows "attn" in a published key, and where nn.MultiheadAttention keeps it.
_MULTIHEAD = {
    "1.to_q.weight": Place("1.mha.in_proj_weight", 0, 3),
    "1.to_k.weight": Place("1.mha.in_proj_weight", 1, 3),
    "1.to_v.weight": Place("1.mha.in_proj_weight", 2, 3),
    "2.to_q.weight": Place("2.mha.q_proj_weight"),
    "2.to_k.weight": Place("2.mha.k_proj_weight"),
    "2.to_v.weight": Place("2.mha.v_proj_weight"),
    "1.to_out.0.weight": Place("1.mha.out_proj.weight"),
    "1.to_out.0.bias": Place("1.mha.out_proj.bias"),
    "2.to_out.0.weight": Place("2.mha.out_proj.weight"),
    "2.to_out.0.bias": Place("2.mha.out_proj.bias"),
}
_PUBLISHED: dict[str, tuple[str, ...]] = {
    place.key: tuple(tail for tail, other in _MULTIHEAD.items() if other.key == place.key)
    for place in _MULTIHEAD.values()
}
#: The bias that nn.MultiheadAttention has but the published attention does not.
BIAS = "mha.in_proj_bias"


def multihead_place(published: str) -> Place:
    """Where the multihead layout keeps a published key of the UNet."""
    head, found, tail = published.partition(".attn")
    if not found:
        return Place(published)
    place = _MULTIHEAD[tail]
    return Place(f"{head}.attn{place.key}", place.piece, place.count)


def published_keys(key: str) -> tuple[str, ...]:
    """The published keys whose tensors, stacked on their first axis, make up ``key``.

    For a key without ``mha`` that is the key itself; an empty result means zeros.
    """
    head, _, tail = key.partition(".attn")
    if ".mha." not in key:
        return (key,)
    if key.endswith(BIAS):
        return ()
    return tuple(f"{head}.attn{part}" for part in _PUBLISHED[tail])


def part_keys(parameter: str) -> tuple[str, ...]:
    """The keys of the parts that make up a parameter of our networks, given with its prefix."""
    if parameter.startswith(TEXT_ENCODER):
        return text_encoder_keys(parameter.removeprefix(TEXT_ENCODER))
    return published_keys(parameter)
