"""Floating-point operations, compared with published figures for the full-size networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from sd_bench.capabilities.torch_compat import HAS_FLOP_COUNTER
from sd_bench.measurement.flops import count_flops
from tests.support.composition import Compose

pytestmark = pytest.mark.skipif(not HAS_FLOP_COUNTER, reason="needs torch.utils.flop_counter")
FULL_SIZE = ("gpu=cpu", "workload.height=512", "workload.width=512")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "attention", "unet_gflop", "text_gflop"),
    [
        ("sd1", "flash", 1606.6, 26.6),
        ("sd2", "math", 1608.5, 90.3),
        ("sd2", "xformers", 1608.5, 90.3),
    ],
)
def test_full_size_networks_do_the_published_work(
    compose_config: Compose,
    tmp_path: Path,
    model: str,
    attention: str,
    unet_gflop: float,
    text_gflop: float,
) -> None:
    config = compose_config(
        *FULL_SIZE, f"model_version={model}", f"attention={attention}", "sampler.steps=50"
    )
    work = count_flops(config, tmp_path)
    assert work is not None
    assert work.unet_call / 1e9 == pytest.approx(unet_gflop, abs=0.1)
    assert work.text_encode / 1e9 == pytest.approx(text_gflop, abs=0.1)
    assert work.vae_decode / 1e9 == pytest.approx(2514.5, abs=0.1)
    assert work.iteration == work.text_encode + 51 * work.unet_call + work.vae_decode  # PLMS


@pytest.mark.slow
def test_work_grows_with_the_batch_and_is_counted_once_per_sweep(
    tiny: Compose, tmp_path: Path
) -> None:
    one = count_flops(tiny("attention=math", "sampler=ddim"), tmp_path)
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    four = count_flops(tiny("attention=flash", "sampler=ddim", "batch_size=4"), tmp_path)
    assert one is not None
    assert four is not None
    assert four.iteration == 4 * one.iteration > 0
    assert list(tmp_path.iterdir()) == [file]
    assert file.stat().st_mtime_ns == written
    larger = count_flops(tiny("attention=math", "workload.height=128"), tmp_path)
    assert larger is not None
    assert larger.unet_call > 1.8 * one.unet_call
