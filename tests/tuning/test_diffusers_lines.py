"""The lines for a user of diffusers: they run, and do what the choice says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sd_bench.tuning.diffusers_lines import can_be_written, write_lines
from tests.support.composition import QUICK_TO_COMPILE, Compose

pytestmark = pytest.mark.slow

pytest.importorskip("diffusers", reason="diffusers is not installed: sd_bench[diffusers]")

TINY = ("gpu=cpu", "model_version=sd2_tiny", "workload.height=64", "workload.width=64")


def pipeline(compose: Compose, *overrides: str) -> Any:
    """A pipeline of diffusers with random weights, in fp32 as a user has loaded it."""
    from sd_bench.implementations.diffusers_pipeline import DiffusersPipeline

    config = compose(*TINY, "implementation=diffusers_pipeline", "precision=fp32", "sampler=ddim",
                     "sampler.steps=2", *overrides)  # fmt: skip
    built = DiffusersPipeline(config, torch.device("cpu"))
    built.pipeline.unet = built.peer.unet
    return built.pipeline


def run(lines: list[str], pipe: Any) -> Any:
    """What the file that ``--write`` writes does to a pipeline."""
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    return names["tuned"](pipe)


def test_the_lines_run_and_do_what_they_say(compose_config: Compose) -> None:
    choice = compose_config(
        *TINY, "precision=bf16", "optimizations.channels_last=true", "attention=math"
    )
    lines = write_lines(choice)
    assert len(lines) <= 14
    pipe = pipeline(compose_config)
    before = {name: getattr(torch.backends.cuda, f"{name}_enabled")() for name in ("flash_sdp",)}
    try:
        assert run(lines, pipe) is pipe
        assert not torch.backends.cuda.flash_sdp_enabled()
        assert torch.backends.cuda.math_sdp_enabled()
    finally:
        for switch in ("flash", "mem_efficient", "cudnn"):
            getattr(torch.backends.cuda, f"enable_{switch}_sdp")(True)
    assert before == {"flash_sdp": True}
    assert pipe.unet.dtype == pipe.vae.dtype == pipe.text_encoder.dtype == torch.bfloat16
    weight = pipe.unet.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    image = pipe("a cat", height=64, width=64, num_inference_steps=2, output_type="pt").images
    assert image.shape == (1, 3, 64, 64)


def test_a_compiled_choice_is_compiled(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By torch.compile, but for what takes long: its graph is run as it is."""
    graphs = []

    def as_it_is(graph: torch.fx.GraphModule, inputs: Any, **options: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx", as_it_is)
    choice = compose_config(*TINY, *QUICK_TO_COMPILE, "precision=fp32", "compile=default")
    pipe = run(write_lines(choice), pipeline(compose_config, *QUICK_TO_COMPILE))
    image = pipe("a cat", height=64, width=64, num_inference_steps=1, output_type="pt").images
    assert image.shape == (1, 3, 64, 64)
    assert len(graphs) == 1


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ("attention=original", "    pipe.unet.set_attn_processor(AttnProcessor())"),
        ("attention=auto", "    pipe.unet.set_attn_processor(AttnProcessor2_0())"),
        ("attention=xformers", "    pipe.enable_xformers_memory_efficient_attention()"),
        ("optimizations.fused_projections=true", "    pipe.fuse_qkv_projections()"),
        ("optimizations.sliced_decoding=true", "    pipe.vae.enable_slicing()"),
        (
            "compile=default optimizations.compiled_decoder=true",
            '    pipe.vae.decode = torch.compile(pipe.vae.decode, mode="default", dynamic=False)',
        ),
        ("precision=fp16", "    pipe.to(dtype=torch.float16)"),
        ("compile=max_autotune", '    pipe.unet.compile(mode="max-autotune", dynamic=False)'),
        (
            "compile=default optimizations.regional_compile=true",
            '    pipe.unet.compile_repeated_blocks(mode="default", dynamic=False)',
        ),
        (
            "compile=default optimizations.freezing=true",
            "    inductor.freezing = True  # weights are constants to the compiler",
        ),
        ("allocator=jemalloc", "# preload the allocator jemalloc: LD_PRELOAD=libjemalloc.so (its"
         " full path)"),
    ],
)  # fmt: skip
def test_every_choice_has_its_line(compose_config: Compose, overrides: str, line: str) -> None:
    lines = write_lines(compose_config(*TINY, *overrides.split()))
    assert line in lines
    compile("\n".join(lines), "lines.py", "exec")


def test_what_is_our_own_cannot_be_written(compose_config: Compose) -> None:
    assert can_be_written(compose_config(*TINY))
    assert can_be_written(compose_config(*TINY, "implementation=diffusers", "compile=default"))
    for own in ("optimizations.cuda_graph=true", "optimizations.packed_weights=true",
                "implementation=openvino"):  # fmt: skip
        assert not can_be_written(compose_config(*TINY, own))
