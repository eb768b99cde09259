"""``sd_bench.generate``: images for prompts, or the reason why there are none."""

from __future__ import annotations

import numpy as np
import pytest

import sd_bench
from sd_bench.api import generate as module
from tests.support.commands import TINY

CHOICES = (*TINY, "precision=fp32", "sampler.steps=1")


@pytest.mark.slow
def test_a_batch_has_an_image_for_each_seed_of_the_size_asked_for() -> None:
    images = sd_bench.generate("a cat", *CHOICES, "batch_size=2", "workload.seed=7")
    assert [image.size for image in images] == [(64, 64)] * 2
    assert [image.info["seed"] for image in images] == [7, 8]
    assert [image.mode for image in images] == ["RGB"] * 2
    (again,) = sd_bench.generate("a cat", *CHOICES, "workload.seed=8")
    assert np.abs(np.asarray(again, int) - np.asarray(images[1], int)).max() <= 1


@pytest.mark.slow
def test_networks_are_kept_for_another_prompt_and_given_back_when_asked() -> None:
    sd_bench.generate("a cat", *CHOICES)
    (kept,) = module._KEPT
    sd_bench.generate("a dog", *CHOICES, "negative_prompt=blurry", "workload.seed=3")
    assert module._KEPT[0] is kept
    sd_bench.generate("a dog", *CHOICES, keep=False)
    assert module._KEPT == []


@pytest.mark.parametrize(
    ("prompt", "arguments", "words"),
    [
        ("a cat", ["attention=flsh"], r"did you mean flash\?"),
        ("a cat", ["batch_size=1,2"], "name one value"),
        ("a cat", ["prompt=a dog"], "the first argument of generate"),
        ("a cat", ["torch_env=original"], "or measure with run"),
        ("a cat", ["model_version=sd2_768_tiny"], "use sampler=ddim or sampler=dpm_solver"),
        ("a cat", ["weights=no/such/file.ckpt"], "no/such/file.ckpt"),
        ([], [], "give a string"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_line(
    prompt: str | list[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(sd_bench.ConfigError, match=words) as refused:
        sd_bench.generate(prompt, *CHOICES, *arguments)
    assert "\n" not in str(refused.value)


def test_a_prompt_that_is_too_long_is_cut_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="is cut at 77 tokens; left out"):
        sd_bench.generate("cat " * 100, *CHOICES)
