"""One round, measured in this process."""

from __future__ import annotations

import json
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs
from PIL import Image
from torch import Tensor

from sd_bench.implementations.building import build
from sd_bench.measurement.memory import read_memory
from sd_bench.measurement.output_files import save_output
from sd_bench.measurement.round import measure_round
from sd_bench.measurement.round_warnings import remarks
from sd_bench.measurement.sketches import sketch
from sd_bench.networks.unet import UNet
from sd_bench.sampling.inputs import make_batch
from sd_bench.sampling.text_to_image import Images, guided
from sd_bench.verdicts.parity import STAGES
from tests.support.composition import Compose
from tests.support.records import sample_record

CPU = torch.device("cpu")


@pytest.mark.slow
def test_a_round_counts_what_the_protocol_says(tiny: Compose) -> None:
    config = tiny(
        "protocol.n_iter=2", "protocol.warmup=1", "protocol.warmup_unet_calls=3", "sampler.steps=4",
        "attention=original",
    )  # fmt: skip
    phases: list[str] = []
    measured = measure_round(config, CPU, 1.5, None, phases.append)
    times = measured.times
    assert (len(times.iterations), len(times.warmup), len(times.warmup_unet_calls_s)) == (2, 1, 3)
    assert all(len(i.steps_s) == 4 for i in [*times.iterations, *times.warmup])
    assert times.first_call_s == times.warmup_unet_calls_s[0]
    assert times.import_s == 1.5
    assert times.warmup[0].begun_s is not None
    assert times.warmup[0].begun_s < 0 == times.iterations[0].begun_s
    assert times.runtime_s == pytest.approx(sum(i.total_s for i in times.iterations))
    assert phases == [
        "build", "warm up", "timed iteration 1 of 2", "timed iteration 2 of 2", "prove the kernel",
    ]  # fmt: skip
    assert measured.kernel_proof.proven


@pytest.mark.slow
def test_no_warm_up_means_no_call_before_the_timed_ones(tiny: Compose) -> None:
    config = tiny("protocol.warmup=0", "protocol.warmup_unet_calls=0", "attention=original")
    times = measure_round(config, CPU, 0.0, None, lambda phase: None).times
    assert times.first_call_s is None
    assert times.warmup == [] == times.warmup_unet_calls_s


@pytest.mark.slow
def test_what_is_slow_only_at_first_is_noticed_where_it_was_timed(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, calls = UNet.forward, count()

    def slow_at_first(unet: UNet, *inputs: Tensor) -> Tensor:
        time.sleep(1.0 if next(calls) == 0 else 0.0)
        return forward(unet, *inputs)

    monkeypatch.setattr(UNet, "forward", slow_at_first)
    config = tiny("protocol.warmup=0", "protocol.warmup_unet_calls=0", "attention=original")
    times = measure_round(config, CPU, 0.0, None, lambda phase: None).times
    (iteration,) = times.iterations
    # times never decide what is measured again
    assert not any("warm-up" in flag for flag in iteration.flags)
    # without the flag for sleeping, the warning about the warm-up appears
    times = structs.replace(times, iterations=[structs.replace(iteration, flags=[])])
    sentences = remarks(structs.replace(sample_record(1.0, sampler="plms"), times=times))
    assert any("warm-up may not have ended: the first step" in s for s in sentences)


@pytest.mark.slow
@pytest.mark.parametrize("warmup_calls", [0, 2])
def test_each_stage_leaves_the_sketch_of_its_output(tiny: Compose, warmup_calls: int) -> None:
    config = tiny(
        "attention=original", "sampler.steps=2", f"protocol.warmup_unet_calls={warmup_calls}"
    )
    measured = measure_round(config, CPU, 0.0, None, lambda phase: None)
    implementation = build(config, CPU)
    with implementation.running():
        batch = make_batch(config, 0, CPU)
        context = implementation.encode_text(torch.cat([batch.negative_tokens, batch.tokens]))
        model = guided(implementation, context, config.workload.guidance_scale)
        prediction = model(batch.latents, max(implementation.sampler.timesteps))
    assert measured.stage_sketches == {
        "text_encode": sketch(context),
        "unet_call": sketch(prediction),
        "denoise": sketch(measured.images.latents),
        "vae_decode": sketch(measured.images.pixels),
    }
    assert list(measured.stage_sketches) == list(STAGES)


@pytest.mark.slow
def test_a_known_proof_and_no_warm_up_cost_one_more_call_after_the_timed_ones(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, calls = UNet.forward, count()

    def counted(unet: UNet, *inputs: Tensor) -> Tensor:
        next(calls)
        return forward(unet, *inputs)

    monkeypatch.setattr(UNet, "forward", counted)
    config = tiny("protocol.warmup=0", "protocol.warmup_unet_calls=0", "sampler=ddim")
    known = sample_record(1.0).kernel_proof
    measured = measure_round(config, CPU, 0.0, None, lambda phase: None, known_proof=known)
    assert next(calls) == config.sampler.steps + 1
    assert "unet_call" in measured.stage_sketches


def test_images_carry_the_cells_facts_prompt_and_seed(tmp_path: Path) -> None:
    pixels = torch.zeros(2, 3, 8, 16)
    pixels[1, 0] = 1.0
    images = Images(torch.arange(8.0).reshape(2, 4, 1, 1), pixels)
    output = save_output(
        tmp_path, "round-0", images, ["A", "B"], [7, 8], "C", {"attention": "flash"}
    )
    assert output.image_files == ["round-0-image-0.png", "round-0-image-1.png"]
    picture = Image.open(tmp_path / output.image_files[1])
    assert picture.size == (16, 8)
    assert picture.getpixel((0, 0)) == (255, 0, 0)
    facts = {"attention": "flash", "prompt": "B", "negative_prompt": "C", "seed": 8}
    assert json.loads(picture.info["sd_bench"]) == facts
    assert output.latents_file is not None
    np.testing.assert_array_equal(np.load(tmp_path / output.latents_file), images.latents.numpy())
    assert output.latents_mean == pytest.approx(3.5)


def test_without_facts_no_image_is_written(tmp_path: Path) -> None:
    images = Images(torch.zeros(1, 4, 1, 1), torch.zeros(1, 3, 8, 8))
    output = save_output(tmp_path, "round-0", images, ["A"], [1], "", None)
    assert output.image_files == []
    assert {p.suffix for p in tmp_path.iterdir()} == {".npy"}


def test_memory_has_the_process_peak_and_a_reason_for_what_it_has_not() -> None:
    memory = read_memory(CPU)
    assert memory.process_peak_bytes is not None
    assert memory.process_peak_bytes > 50e6
    assert memory.device_peak_allocated_bytes is None
    assert "device_peak_allocated_bytes" in memory.notes
