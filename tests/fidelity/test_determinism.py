"""The same seed gives the same image, with the same known noise at every batch size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sd_bench.measurement.output_files import save_output
from sd_bench.sampling.inputs import image_seeds, make_batch
from tests.fidelity.comparison import PIPELINE, relative_error
from tests.fidelity.ours import fp32_config
from tests.fidelity.pipelines import CPU, our_images


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_version", "sampler"),
    [("sd1_tiny", "plms"), ("sd2_tiny", "ddim"), ("sd2_768_tiny", "dpm_solver")],
)
def test_the_same_seed_and_batch_give_the_same_bits(model_version: str, sampler: str) -> None:
    """Pipeline, networks and inputs are rebuilt each time."""
    config = fp32_config(
        model_version,
        f"sampler={sampler}",
        "sampler.steps=10",
        "workload.batch_size=2",
        "workload.height=64",
        "workload.width=64",
    )
    _, first = our_images(config)
    torch.rand(7)  # a global generator in another state must not matter
    _, second = our_images(config)
    assert torch.equal(first.latents, second.latents)
    assert torch.equal(first.pixels, second.pixels)
    assert not torch.equal(first.pixels[0], first.pixels[1])


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 5),
    iteration=st.integers(0, 3),
    seed=st.integers(0, 2**40),
    draws=st.integers(0, 2),
)
def test_image_i_starts_from_the_noise_of_its_own_seed_at_every_batch_size(
    batch: int, iteration: int, seed: int, draws: int
) -> None:
    config, single = fp32_config("sd2_tiny"), fp32_config("sd2_tiny")
    config.workload.batch_size, config.workload.seed = batch, seed
    together = make_batch(config, iteration, CPU, draws)
    seeds = image_seeds(config, iteration)
    assert seeds == [seed + iteration * batch + i for i in range(batch)]
    for i, own in enumerate(seeds):
        single.workload.seed = own
        alone = make_batch(single, 0, CPU, draws)
        assert torch.equal(together.latents[i : i + 1], alone.latents)
        for ours, its in zip(together.noises, alone.noises, strict=True):
            assert torch.equal(ours[i : i + 1], its)


@pytest.mark.slow
def test_each_image_can_be_made_again_from_its_recorded_seed(tmp_path: Path) -> None:
    config = fp32_config("sd2_tiny", "sampler=plms", "sampler.steps=4", "workload.seed=11")
    config.workload.batch_size, config.workload.height, config.workload.width = 3, 64, 64
    _, images = our_images(config)
    seeds = image_seeds(config, 0)
    output = save_output(tmp_path, "round-0", images, ["A photo"] * 3, seeds, "", {})
    assert output.image_seeds == [11, 12, 13]
    config.workload.batch_size = 1
    for i, file in enumerate(output.image_files):
        with Image.open(tmp_path / file) as image:
            config.workload.seed = json.loads(image.info["sd_bench"])["seed"]
        assert config.workload.seed == output.image_seeds[i]
        _, alone = our_images(config)
        assert relative_error(images.pixels[i : i + 1], alone.pixels) <= PIPELINE.limit
