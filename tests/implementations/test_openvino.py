"""OpenVINO on our networks: the same pictures, converted once, with its limits reported."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.devices import cpu_precision
from sd_bench.capabilities.support_rules import unsupported_reason
from sd_bench.config.schema import Config, ThreadsConfig
from sd_bench.implementations.building import build
from sd_bench.implementations.conversion_cache import cache_folder
from sd_bench.implementations.protocol import Implementation
from sd_bench.sampling.inputs import make_batch
from tests.capabilities.test_support_rules import host
from tests.support.commands import Command, final_latents, records
from tests.support.composition import Compose

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None,
    reason="openvino is not installed: pip install -e '.[openvino]'",
)
#: OpenVINO traces a module that it converts.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.*` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]
CPU = torch.device("cpu")
SIZE = ("gpu=cpu", "workload.height=64", "workload.width=64", "sampler=ddim", "sampler.steps=2")


class Outputs(NamedTuple):
    """Each network on the same inputs, and the result of two steps."""

    text: Tensor
    unet: Tensor
    decoded: Tensor
    latents: Tensor


class Untimed:
    def step(self) -> None: ...

    def stage(self, name: str) -> None: ...


def configuration(name: str, model: str, precision: str) -> Config:
    choices = (f"implementation={name}", f"model_version={model}", f"precision={precision}")
    return compose_config(*SIZE, *choices)


@cache
def built(name: str, model: str, precision: str) -> Implementation:
    return build(configuration(name, model, precision), CPU)


@cache
def outputs(name: str, model: str, precision: str) -> Outputs:
    implementation = built(name, model, precision)
    batch = make_batch(implementation.config, 0, CPU)
    both = torch.cat([batch.latents, batch.latents])
    with implementation.running():
        text = implementation.encode_text(torch.cat([batch.negative_tokens, batch.tokens]))
        context = outputs("sd_bench", model, "fp32").text if precision != "fp32" else text
        unet = implementation.predict(both, torch.full((2,), 981), context.to(text.dtype))
        decoded = implementation.decode(batch.latents)
        latents = implementation.generate(batch, Untimed()).latents
    return Outputs(text, unet, decoded, latents)


def distance(output: Tensor, reference: Tensor) -> float:
    difference = (output.double() - reference.double()).norm()
    return float(difference / reference.double().norm())


def _convert_here(monkeypatch: pytest.MonkeyPatch) -> None:
    from sd_bench.implementations import openvino_conversion, openvino_networks

    monkeypatch.setattr(openvino_networks, "convert_apart", openvino_conversion.convert)


@pytest.fixture(autouse=True, scope="module")
def conversions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new folder for conversions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SD_BENCH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield cache_folder()


@pytest.mark.slow
@needs_openvino
@pytest.mark.parametrize("model", ["sd2_tiny", "sd1_tiny"])
def test_in_fp32_every_stage_is_ours(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if model == "sd1_tiny":  # one model is enough to show that another process converts
        _convert_here(monkeypatch)
    ours, theirs = outputs("sd_bench", model, "fp32"), outputs("openvino", model, "fp32")
    for stage in Outputs._fields:
        assert distance(getattr(theirs, stage), getattr(ours, stage)) < 1e-4, stage
    assert theirs.unet.dtype == torch.float32


@pytest.mark.slow
@needs_openvino
@pytest.mark.skipif(cpu_precision() != "bf16", reason="the processor does not compute in bf16")
def test_in_bf16_it_is_no_further_from_fp32_than_ours_is_and_timesteps_are_not_rounded() -> None:
    exact = outputs("sd_bench", "sd2_tiny", "fp32")
    ours, theirs = outputs("sd_bench", "sd2_tiny", "bf16"), outputs("openvino", "sd2_tiny", "bf16")
    for stage in ("text", "unet", "decoded"):
        reference = getattr(exact, stage)
        found, known = (distance(getattr(o, stage), reference) for o in (theirs, ours))
        assert 1e-4 < found < 1.5 * known, stage


@needs_openvino
def test_an_output_is_the_callers_own() -> None:
    implementation = built("openvino", "sd2_tiny", "fp32")
    with implementation.running():
        first = implementation.decode(torch.zeros(1, 4, 8, 8))
        before = first.clone()
        implementation.decode(torch.ones(1, 4, 8, 8))
    assert torch.equal(first, before)


@needs_openvino
def test_what_it_was_compiled_with_is_recorded_and_nothing_is_sent_to_its_makers() -> None:
    conversion = built("openvino", "sd2_tiny", "fp32").conversion
    assert conversion is not None
    assert conversion.cache == "cold"
    assert conversion.convert_s > 0
    assert conversion.settings["INFERENCE_PRECISION_HINT"] == "f32"
    assert conversion.settings["INFERENCE_NUM_THREADS"] == str(torch.get_num_threads())
    assert conversion.settings["PERFORMANCE_HINT"] == "LATENCY"
    assert conversion.settings["openvino"].startswith("20")
    assert sys.modules["openvino_telemetry"] is None


@pytest.mark.slow
@needs_openvino
@pytest.mark.parametrize("pinned", [False, True])
def test_its_own_threads_are_pinned_as_requested(pinned: bool) -> None:
    config = configuration("openvino", "sd2_tiny", "fp32")
    config.threads = ThreadsConfig(count=str(torch.get_num_threads()), pinned=pinned)
    conversion = build(config, CPU).conversion
    assert conversion is not None
    assert conversion.settings["ENABLE_CPU_PINNING"] == str(pinned)


@needs_openvino
def test_a_precision_other_than_the_cells_gives_no_result() -> None:
    from sd_bench.implementations.openvino_networks import check_precision

    check_precision("bf16", "bf16")
    with pytest.raises(RuntimeError, match="computes in f32 on this processor, not in bf16"):
        check_precision("bf16", "f32")


@pytest.mark.slow
@needs_openvino
def test_both_in_one_sweep_and_what_was_converted_before_is_found_by_another_process(
    command: Command, conversions: Path, tmp_path: Path
) -> None:
    built("openvino", "sd2_tiny", "fp32")
    cells = ("model_version=sd2_tiny", "precision=fp32", "implementation=sd_bench,openvino")
    done = command("-m", *SIZE, "protocol=smoke", *cells, "profile=true", "weights_seed=0")
    assert done.returncode == 0, done.stdout + done.stderr
    by_name = {r.choices["implementation"]: r for r in records(tmp_path)}
    ours, theirs = by_name["sd_bench"], by_name["openvino"]
    assert (ours.status, theirs.status) == ("ok", "ok")
    assert ours.conversion is None
    assert theirs.conversion is not None
    assert theirs.conversion.cache == "warm"
    assert theirs.times is not None
    assert theirs.times.build_s >= 0
    assert theirs.kernel_proof is not None
    assert not theirs.kernel_proof.proven
    assert theirs.kernel_proof.unprovable == "OpenVINO runs its own kernels, not PyTorch's"
    assert theirs.environment["packages"]["openvino"]
    assert theirs.profile is None
    assert "profile=true: no step profiled: OpenVINO runs its own kernels" in done.stdout
    assert distance(final_latents(tmp_path, theirs), final_latents(tmp_path, ours)) < 1e-4


@needs_openvino
@pytest.mark.slow
def test_a_conversion_that_does_not_read_is_made_again(
    conversions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = outputs("openvino", "sd2_tiny", "fp32").latents
    built.cache_clear()
    _convert_here(monkeypatch)
    for file in conversions.glob("*/unet.xml"):
        found = file.stat()
        file.write_bytes(b"x" * found.st_size)
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    implementation = built("openvino", "sd2_tiny", "fp32")
    assert implementation.conversion is not None
    assert implementation.conversion.cache == "cold"
    with implementation.running():
        batch = make_batch(implementation.config, 0, CPU)
        assert distance(implementation.generate(batch, Untimed()).latents, before) < 1e-6


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("", None),
        ("attention=math", "needs attention=auto"),
        ("attention.disable_flash=true", "with no backend disabled"),
        ("attention.upcast=true", "needs attention.upcast=null"),
        ("compile=default", "needs compile=off"),
        ("optimizations.channels_last=true", "needs optimizations=none"),
        ("model_version.unet.use_checkpoint=true", "needs model_version.unet.use_checkpoint=false"),
        ("precision=fp16", "not in fp16"),
        ("precision=autocast", "autocast is a PyTorch feature"),
        ("gpu=a100", "needs gpu=cpu"),
    ],
)
def test_what_it_cannot_do_is_reported_beforehand(
    compose_config: Compose, overrides: str, words: str | None
) -> None:
    config = compose_config(
        "gpu=cpu", "implementation=openvino", "precision=fp32", *overrides.split()
    )
    where = host(config.gpu.kind, torch="2.15", packages=frozenset({"openvino"}))
    reason = unsupported_reason(config, where)
    assert reason is None if words is None else words in str(reason)


def test_bf16_needs_a_processor_for_it(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose_config("gpu=cpu", "implementation=openvino", "precision=bf16")
    where = host("cpu", torch="2.15", packages=frozenset({"openvino"}))
    flags = "sd_bench.capabilities.openvino_rules.cpu_flags"
    monkeypatch.setattr(flags, lambda: {"avx2", "fma"})
    assert "needs precision=fp32" in str(unsupported_reason(config, where))
    monkeypatch.setattr(flags, lambda: {"avx2", "avx512bw"})
    assert unsupported_reason(config, where) is None


def test_without_it_the_extra_is_named(compose_config: Compose) -> None:
    config = compose_config("gpu=cpu", "implementation=openvino", "precision=fp32")
    reason = unsupported_reason(config, host("cpu", torch="2.15"))
    assert reason == "openvino is not installed: pip install -e '.[openvino]'"
