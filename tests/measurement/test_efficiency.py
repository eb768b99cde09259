"""Achieved FLOP/s and shares, for numbers that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from sd_bench.measurement.efficiency import efficiency
from sd_bench.records import Flops, MatmulRate, Times
from tests.support.records import sample_times

WORK = Flops(unet_call=2e12, text_encode=1e12, vae_decode=1e12, iteration=10e12)
RATE = MatmulRate(dtype="bfloat16", size=2048, flop_per_s=20e12)


def without_stages(times: Times) -> Times:
    none: dict[str, Any] = {
        "text_encode_s": None,
        "denoise_s": None,
        "vae_decode_s": None,
        "steps_s": [],
    }
    return structs.replace(times, iterations=[structs.replace(i, **none) for i in times.iterations])


def test_each_stage_has_its_own_rate_and_shares() -> None:
    found = efficiency(WORK, sample_times(1.0, 2.0, 9.0), RATE, peak_tflops=50.0)
    # the stages take a tenth, eight tenths and a tenth of 4 s on average; the median is 2 s
    assert found.flop_per_s == pytest.approx(
        {"iteration": 5e12, "text_encode": 2.5e12, "denoise": 2.5e12, "vae_decode": 2.5e12}
    )
    assert found.share_of_matmul["iteration"] == pytest.approx(0.25)
    assert found.share_of_peak["iteration"] == pytest.approx(0.1)
    assert found.share_of_matmul.keys() == found.share_of_peak.keys() == found.flop_per_s.keys()


def test_without_stages_only_the_whole_is_known() -> None:
    found = efficiency(WORK, without_stages(sample_times(2.0)), RATE, None)
    assert found.flop_per_s == {"iteration": 5e12}
    assert found.share_of_peak == {}


def test_without_a_rate_there_is_no_share() -> None:
    assert efficiency(WORK, sample_times(2.0), None, None).share_of_matmul == {}


def test_more_than_the_rate_is_kept_as_it_is() -> None:
    assert efficiency(WORK, sample_times(0.1), RATE, None).share_of_matmul["iteration"] == 5.0
