"""What diffusers cannot do on our axes is reported before anything runs."""

from __future__ import annotations

import pytest

from sd_bench.capabilities.support_rules import Host, unsupported_reason
from tests.support.composition import Compose

HOST = Host(
    kind="cpu",
    capability=None,
    torch=(2, 9),
    has_xformers=False,
    has_compiler=True,
    packages=frozenset({"diffusers", "transformers"}),
)
FUSED = "optimizations.fused_projections=true"


@pytest.mark.parametrize(
    ("implementation", "overrides", "words"),
    [
        ("diffusers", "", None),
        ("diffusers", f"attention=math {FUSED}", None),
        ("diffusers", f"attention=original {FUSED}", "only by scaled_dot_product_attention"),
        ("diffusers", "attention=original attention.upcast=true precision=bf16", None),
        (
            "diffusers",
            "attention=original attention.upcast=true precision=autocast",
            "autocast undoes diffusers' upcast",
        ),
        ("diffusers", "model_version.unet.use_checkpoint=true", "only in training"),
        ("diffusers", "model_version.autoencoder.embed_dim=8", "embed_dim=z_channels"),
        ("diffusers", "compile=default optimizations.regional_compile=true", None),
        ("diffusers", "optimizations.freezing=true", "needs compile=default"),
        ("diffusers", "sampler.steps=1 workload.guidance_scale=1", None),
        ("diffusers_documented", "", None),
        ("diffusers_documented", "compile=default", "is compile=max_autotune"),
        ("diffusers_documented", "optimizations=none", "is optimizations=diffusers_documented"),
        (
            "diffusers_documented",
            "optimizations.freezing=true",
            "only: use implementation=diffusers",
        ),
        ("diffusers_documented", "attention=original", "only by scaled_dot_product_attention"),
        ("diffusers_pipeline", "", None),
        ("diffusers_pipeline", "sampler.steps=1", "makes one UNet call instead of two"),
        ("diffusers_pipeline", "sampler=ddim sampler.steps=1", None),
        ("diffusers_pipeline", "sampler=ddim sampler.eta=0.5", "draws the noise"),
        ("diffusers_pipeline", "workload.guidance_scale=1", "leaves guidance out"),
        ("diffusers_pipeline", f"attention=original {FUSED}", "only by"),
    ],
)
def test_a_cell_that_it_cannot_run_has_its_reason(
    tiny: Compose, implementation: str, overrides: str, words: str | None
) -> None:
    config = tiny(f"implementation={implementation}", *overrides.split())
    reason = unsupported_reason(config, HOST)
    assert (reason is None) if words is None else (reason is not None and words in reason)


def test_what_the_documentation_recommends_is_in_the_cells_own_choices(tiny: Compose) -> None:
    config = tiny("implementation=diffusers_documented", "preset=none")
    assert config.implementation.name == "diffusers_documented"
    assert config.compile.mode == "max_autotune"
    assert config.attention.backend == "auto"
    assert config.optimizations.names == ("channels_last", "fused_projections")
    assert tiny("implementation=diffusers").optimizations.names == ()
