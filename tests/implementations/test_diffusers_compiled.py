"""diffusers under torch.compile: whole, block by block, and as documented."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sd_bench.capabilities.support_rules import has_cpp_compiler
from sd_bench.implementations.building import build
from sd_bench.measurement.compilation import why_not_compiled
from sd_bench.measurement.round import measure_round
from tests.fidelity.comparison import relative_error
from tests.support.composition import QUICK_TO_COMPILE, Compose
from tests.support.implementations import CPU, images_of

pytest.importorskip("diffusers")
pytestmark = [
    pytest.mark.skipif(not has_cpp_compiler(), reason="needs g++"),
    pytest.mark.usefixtures("fresh_compiler"),
    pytest.mark.slow,
]
#: The compiler's settings on the page that the implementation cites.
_DOCUMENTED = {
    "conv_1x1_as_mm": True,
    "coordinate_descent_tuning": True,
    "epilogue_fusion": False,
    "coordinate_descent_check_all_directions": True,
}
#: Decodes to images of the latents' own size, in two blocks.
_QUICK_DECODER = (
    "model_version.autoencoder.ch_mult=[1]",
    "model_version.autoencoder.num_res_blocks=1",
)


@pytest.fixture(scope="module")
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests here: its precompiled header takes longer than a graph."""
    return tmp_path_factory.mktemp("inductor")


@pytest.fixture
def fresh_compiler(compile_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compiled code and compiler settings outlive the networks they were made for."""
    import torch._dynamo
    import torch._inductor.config as inductor

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(compile_cache))
    with inductor.patch({name: getattr(inductor, name) for name in _DOCUMENTED}):
        yield


def test_compiled_blocks_run_the_named_kernels_and_make_our_latents(tiny: Compose) -> None:
    cell = ("attention=flash", "sampler.steps=2", *QUICK_TO_COMPILE)
    compiled = ("compile=default", "optimizations.regional_compile=true")
    config = tiny(*cell, *compiled, "implementation=diffusers_pipeline")
    measured = measure_round(config, CPU, 0.0, "cold", lambda phase: None)
    assert measured.kernel_proof.proven, measured.kernel_proof.detail
    assert measured.kernel_proof.detail == "8 flash for 8 modules"
    assert measured.compilation is not None
    assert why_not_compiled(measured.compilation) is None
    assert measured.compilation.graphs == 1  # of the four blocks, which are alike
    assert measured.compilation.graph_breaks == 0
    assert not measured.compilation.recompilations
    assert relative_error(measured.images.latents, images_of(tiny(*cell)).latents) < 5e-5


def test_as_documented_everything_is_on_that_the_page_names(tiny: Compose) -> None:
    import torch._inductor.config as inductor

    cell = ("implementation=diffusers_documented", "sampler.steps=2")
    quick = (*QUICK_TO_COMPILE, *_QUICK_DECODER)
    measured = measure_round(tiny(*cell, *quick), CPU, 0.0, "cold", lambda phase: None)
    assert measured.kernel_proof.proven, measured.kernel_proof.detail
    assert measured.kernel_proof.num_attention_modules == 8
    assert measured.compilation is not None
    assert why_not_compiled(measured.compilation) is None
    assert measured.compilation.graphs == 2  # the UNet, and the decoder
    assert measured.compilation.graph_breaks == 0  # what fullgraph=True is for
    assert measured.conversion is not None
    assert measured.conversion.compile_s > 0
    assert measured.conversion.cache == "cold"
    assert {name: getattr(inductor, name) for name in _DOCUMENTED} == _DOCUMENTED
    assert measured.conversion.settings == {name: str(v) for name, v in _DOCUMENTED.items()}
    plain = tiny("attention=auto", "sampler.steps=2", *quick)
    assert relative_error(measured.images.latents, images_of(plain).latents) < 5e-5
    torch._dynamo.reset()
    again = build(tiny(*cell, *quick), CPU)
    assert again.conversion is not None
    assert again.conversion.cache == "warm"
