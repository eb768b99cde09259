"""The cells in which an optimization is not possible, and why; does not import torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sd_bench.capabilities.torch_features import can
from sd_bench.config.schema import OUR_IMPLEMENTATION, Config

if TYPE_CHECKING:
    from sd_bench.capabilities.support_rules import Host


class OptimizationRule(NamedTuple):
    """``reason`` is why a cell is refused on a host where ``applies`` is true."""

    applies: Callable[[Config, Host], bool]
    reason: str


#: Optimizations that only this project's networks have.
OF_OUR_NETWORKS = (
    "packed_weights",
    "fused_epilogues",
    "matmul_convolutions",
    "cached_prompt",
    "cached_timesteps",
)
#: Options of torch.compile.
_OF_THE_COMPILER = ("regional_compile", "freezing", "compiled_decoder", "compiled_text_encoder")


def _is_on(name: str) -> Callable[[Config], bool]:
    return lambda config: name in config.optimizations.names


def _of_the_compiler(name: str) -> OptimizationRule:
    is_on = _is_on(name)
    return OptimizationRule(
        lambda c, h: is_on(c) and c.compile.mode == "off",
        f"{name} is an option of torch.compile: needs compile=default",
    )


def _of_our_networks(name: str) -> OptimizationRule:
    is_on = _is_on(name)
    return OptimizationRule(
        lambda c, h: is_on(c) and c.implementation.name != OUR_IMPLEMENTATION,
        f"{name} is only for sd_bench's networks: needs implementation=sd_bench",
    )


def _without_checkpoints(name: str) -> OptimizationRule:
    is_on = _is_on(name)
    return OptimizationRule(
        lambda c, h: is_on(c) and c.model_version.unet.use_checkpoint,
        f"{name} bypasses activation checkpointing: needs model_version.unet.use_checkpoint=false",
    )


OPTIMIZATION_RULES: tuple[OptimizationRule, ...] = (
    *map(_of_the_compiler, _OF_THE_COMPILER),
    *map(_of_our_networks, OF_OUR_NETWORKS),
    *map(_without_checkpoints, ("fused_epilogues", "cached_prompt", "cached_timesteps")),
    OptimizationRule(
        lambda c, h: c.optimizations.cuda_graph and h.kind != "cuda",
        "cuda_graph records CUDA kernels: needs an NVIDIA GPU",
    ),
    OptimizationRule(
        lambda c, h: c.optimizations.cuda_graph and c.compile.records_cuda_graphs,
        "compile=reduce_overhead and max_autotune record CUDA graphs themselves: use cuda_graph "
        "with compile=off or default",
    ),
    OptimizationRule(
        lambda c, h: (
            c.optimizations.fused_projections and c.implementation.name == OUR_IMPLEMENTATION
        ),
        "sd_bench's networks have no fused projections beyond those of nn.MultiheadAttention and "
        "of optimizations.fused_epilogues",
    ),
    OptimizationRule(
        lambda c, h: c.optimizations.packed_weights and h.kind != "cpu",
        "packed_weights are laid out for oneDNN: needs a CPU",
    ),
    OptimizationRule(
        lambda c, h: c.optimizations.packed_weights and not can(h.torch, "packed oneDNN weights"),
        "packed_weights need PyTorch 2.15",
    ),
    OptimizationRule(
        lambda c, h: c.optimizations.packed_weights and c.precision.name == "autocast",
        "packed_weights cannot be cast: needs precision=fp32 or bf16",
    ),
    OptimizationRule(
        lambda c, h: c.optimizations.packed_weights and c.compile.mode != "off",
        "torch.compile cannot read packed_weights: use compile=off, or optimizations.freezing, by "
        "which the compiler packs them itself",
    ),
    OptimizationRule(
        lambda c, h: c.optimizations.fused_epilogues and not c.optimizations.packed_weights,
        "fused_epilogues work on products with packed weights: needs "
        "optimizations.packed_weights=true",
    ),
    OptimizationRule(
        lambda c, h: (
            c.optimizations.cached_prompt
            and c.attention.uses_multihead_attention
            and not can(h.torch, "scaled_dot_product_attention")
        ),
        "cached_prompt needs scaled_dot_product_attention, which PyTorch before 2.0 does not have",
    ),
)
