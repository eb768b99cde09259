"""implementation=diffusers_pipeline: one call, with our latents and the matching sampler."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sd_bench.implementations.building import build
from sd_bench.sampling.inputs import make_batch
from sd_bench.sampling.tokens import tokenise
from tests.fidelity.comparison import TRAJECTORY, relative_error
from tests.support.composition import Compose
from tests.support.implementations import CPU, NoTimer, eager_proof, images_of, one_call
from tests.support.runnable import DIFFUSERS_BACKENDS

pytest.importorskip("diffusers")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "sampler", "limit"),
    [
        ("sd1_tiny", "plms", TRAJECTORY.limit),
        ("sd2_tiny", "ddim", TRAJECTORY.limit),
        ("sd2_768_tiny", "ddim", TRAJECTORY.limit),
        ("sd2_tiny", "dpm_solver", 1e-2),  # it rounds timesteps: 749.25 to 749
    ],
)
def test_its_images_are_ours(tiny: Compose, model: str, sampler: str, limit: float) -> None:
    cell = (f"model_version={model}", f"sampler={sampler}", "sampler.steps=4", "batch_size=2")
    words = ("prompt=[a small boat,a painting of oars]", "negative_prompt=grey")
    expected = images_of(tiny("attention=math", *cell, *words))
    images = images_of(tiny("implementation=diffusers_pipeline", "attention=math", *cell, *words))
    assert relative_error(images.latents, expected.latents) < limit
    assert relative_error(images.pixels, expected.pixels) < limit


@pytest.mark.slow
@pytest.mark.parametrize("attention", DIFFUSERS_BACKENDS[::2])
def test_the_kernels_that_are_named_run_in_its_unet_and_no_stage_is_recorded(
    tiny: Compose, attention: str
) -> None:
    cell = ("implementation=diffusers_pipeline", f"attention={attention}", "sampler.steps=2")
    peer = build(tiny(*cell), CPU)
    proof = eager_proof(peer)
    assert proof.proven, proof.detail
    timer = NoTimer()
    with peer.running():
        peer.generate(make_batch(peer.config, 0, CPU), timer)
    assert timer.num_ends == 0


@pytest.mark.slow
def test_the_call_before_is_the_one_that_the_pipeline_makes(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a compiled UNet would be recompiled in the first timed iteration."""
    from sd_bench.implementations.diffusers_pipeline import DiffusersPipeline

    peer = DiffusersPipeline(tiny("implementation=diffusers_pipeline", "sampler.steps=2"), CPU)
    calls: list[list[tuple[torch.Size, torch.dtype]]] = []
    unet = peer.networks.unet
    run = unet.forward

    def spying(*inputs: Tensor) -> Tensor:
        calls.append([(i.shape, i.dtype) for i in inputs])
        return run(*inputs)

    monkeypatch.setattr(unet, "forward", spying)
    one_call(peer)
    images_of(peer.config, peer)
    assert len(calls) == 4  # three of them in two steps of PLMS
    assert all(call == calls[0] for call in calls)


@pytest.mark.parametrize("model", ["sd1_tiny", "sd2_tiny"])
def test_its_tokenizer_pads_and_cuts_as_the_model_was_published(tiny: Compose, model: str) -> None:
    from sd_bench.implementations.clip_tokenizer import make_clip_tokenizer

    prompts = ["", "A photo of a small boat, 4 oars", "an endless prompt about nothing, " * 30]
    config = tiny(f"model_version={model}").model_version.text_encoder
    tokens = make_clip_tokenizer(config)(
        prompts, padding="max_length", truncation=True, return_tensors="pt"
    )
    assert torch.equal(tokens.input_ids, tokenise(prompts, config))


def test_an_exclamation_mark_is_padding_to_its_sd2_tokenizer_as_published(tiny: Compose) -> None:
    from sd_bench.implementations.clip_tokenizer import make_clip_tokenizer

    config = tiny().model_version.text_encoder
    theirs = make_clip_tokenizer(config)(["oars!"], return_tensors="pt").input_ids[0]
    (ours,) = tokenise(["oars!"], config)
    assert theirs[-2] == config.pad_token
    assert ours[len(theirs) - 2] != config.pad_token
