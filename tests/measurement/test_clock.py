"""The clock: what it says of calls whose times are known, and that the parts add up."""

from __future__ import annotations

import statistics
import time

import pytest
import torch

from sd_bench.measurement.clock import timed_call, timed_iteration

CPU = torch.device("cpu")


def busy(seconds: float) -> float:
    """Spin for ``seconds``; gives how long it really took."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        pass
    return time.perf_counter() - begin


@pytest.mark.parametrize("seconds", [0.005, 0.05])
def test_a_busy_loop_is_timed_as_long_as_it_says_it_took(seconds: float) -> None:
    errors = []
    for _ in range(20):
        measured, said = timed_call(CPU, lambda: busy(seconds))
        errors.append(measured - said)
    assert min(errors) >= 0
    assert statistics.median(errors) < max(0.01 * seconds, 2e-4)


def test_stages_and_steps_add_up_to_the_total() -> None:
    def call(marks) -> str:  # type: ignore[no-untyped-def]
        busy(0.002)
        marks.stage("text_encode")
        for _ in range(3):
            busy(0.004)
            marks.step()
        marks.stage("denoise")
        busy(0.003)
        marks.stage("vae_decode")
        return "image"

    iteration, result = timed_iteration(CPU, call)
    assert result == "image"
    assert len(iteration.steps_s) == 3
    assert iteration.text_encode_s >= 0.002
    assert all(step >= 0.004 for step in iteration.steps_s)
    assert iteration.vae_decode_s >= 0.003
    assert sum(iteration.steps_s) == pytest.approx(iteration.denoise_s, abs=5e-4)
    stages = iteration.text_encode_s + iteration.denoise_s + iteration.vae_decode_s
    assert stages == pytest.approx(iteration.total_s, abs=5e-4)
    assert stages <= iteration.total_s
    assert iteration.device_total_s is None
