"""What diffusers cannot run, and why; does not import diffusers or torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sd_bench.config.schema import Config

if TYPE_CHECKING:
    from sd_bench.capabilities.support_rules import Host

Rule = tuple[Callable[[Config], bool], str]

#: The optimizations that the documentation of diffusers recommends.
DOCUMENTED_OPTIMIZATIONS = ("channels_last", "fused_projections")

#: The attention that diffusers has besides scaled_dot_product_attention.
_PROCESSORS = ("original", "xformers")

#: The samplers with a scheduler in `sd_bench.implementations.diffusers_schedulers`.
_SCHEDULED = ("plms", "ddim", "dpm_solver")

_NETWORKS: tuple[Rule, ...] = (
    (
        lambda c: (
            not c.attention.uses_multihead_attention and c.attention.backend not in _PROCESSORS
        ),
        f"diffusers does not have this attention: use attention={', '.join(_PROCESSORS)} or a "
        "backend of scaled_dot_product_attention",
    ),
    (
        lambda c: c.optimizations.fused_projections and not c.attention.uses_multihead_attention,
        "diffusers' fused projections compute attention only by scaled_dot_product_attention: "
        "use attention=auto or one of its backends",
    ),
    (
        lambda c: (
            c.attention.backend == "original"
            and c.attention.upcast is True
            and c.precision.name == "autocast"
        ),
        "autocast undoes diffusers' upcast of attention: use attention.upcast=false or another "
        "precision",
    ),
    (
        lambda c: c.model_version.unet.use_checkpoint,
        "diffusers checkpoints activations only in training: use "
        "model_version.unet.use_checkpoint=false",
    ),
    (
        lambda c: c.model_version.autoencoder.embed_dim != c.model_version.autoencoder.z_channels,
        "diffusers' autoencoder has latents as wide as its bottleneck: embed_dim=z_channels",
    ),
)
_DOCUMENTED: tuple[Rule, ...] = (
    (
        lambda c: c.compile.mode != "max_autotune",
        "diffusers_documented is compile=max_autotune, as documented: use "
        "implementation=diffusers for any other",
    ),
    (
        lambda c: c.optimizations.names != DOCUMENTED_OPTIMIZATIONS,
        "diffusers_documented is optimizations=diffusers_documented only: use "
        "implementation=diffusers for others",
    ),
)
_PIPELINE: tuple[Rule, ...] = (
    (
        lambda c: c.sampler.name not in _SCHEDULED,
        f"no diffusers scheduler is set up for it: use sampler={', '.join(_SCHEDULED)}, or "
        "implementation=diffusers",
    ),
    (
        lambda c: c.workload.guidance_scale <= 1,
        "diffusers' pipeline leaves guidance out, and with it half of each UNet call, where "
        "workload.guidance_scale is 1 or less",
    ),
    (
        lambda c: c.sampler.eta > 0,
        "diffusers' pipeline draws the noise of sampler.eta itself, so that it would differ from "
        "the others'",
    ),
    (
        lambda c: c.sampler.name == "plms" and c.sampler.steps == 1,
        "with a single step diffusers' PLMS makes one UNet call instead of two: use "
        "sampler.steps=2 or more",
    ),
)


def why_networks_cannot(config: Config, host: Host) -> str | None:
    """Why ``implementation=diffusers`` cannot run the cell, or None."""
    return _first(_NETWORKS, config)


def why_documented_cannot(config: Config, host: Host) -> str | None:
    """Why ``implementation=diffusers_documented`` cannot run the cell, or None."""
    return _first((*_DOCUMENTED, *_NETWORKS), config)


def why_pipeline_cannot(config: Config, host: Host) -> str | None:
    """Why ``implementation=diffusers_pipeline`` cannot run the cell, or None."""
    return _first((*_PIPELINE, *_NETWORKS), config)


def _first(rules: tuple[Rule, ...], config: Config) -> str | None:
    return next((reason for applies, reason in rules if applies(config)), None)
