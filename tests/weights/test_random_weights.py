"""Random weights: the same everywhere, of the right size, and not too regular."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from sd_bench.implementations.our_networks import build_networks
from sd_bench.implementations.ours import Ours
from sd_bench.networks.attention import CrossAttention
from sd_bench.sampling.inputs import make_batch
from sd_bench.sampling.text_to_image import text_to_image
from sd_bench.weights.random_weights import TABLE_SIZE, fill_random, standard_values
from tests.support.composition import Compose

CPU = torch.device("cpu")


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.detach().float().numpy().tobytes()).hexdigest()[:16]


def test_the_values_are_these_on_every_machine_and_under_every_torch() -> None:
    linear = torch.nn.Linear(320, 1280)
    fill_random(linear, "model.diffusion_model.time_embed.0.", seed=0)
    assert digest(linear.weight) == "7878713ece6ce70a"
    assert digest(linear.bias) == "70351c7eb622c788"


def test_the_table_is_standard_and_nearly_normal() -> None:
    values = standard_values(TABLE_SIZE).astype(np.float64)
    assert abs(values.mean()) < 3e-3
    assert abs(values.std() - 1) < 3e-3
    within = [(np.abs(values) < k).mean() for k in (1, 2, 3)]
    assert within == pytest.approx([0.683, 0.954, 0.997], abs=0.02)
    lagged = np.corrcoef(values[:-1], values[1:])[0, 1]
    assert abs(lagged) < 5e-3


def test_seed_and_key_change_the_values(tiny: Compose) -> None:
    def weight(seed: int, prefix: str) -> torch.Tensor:
        linear = torch.nn.Linear(64, 64)
        fill_random(linear, prefix, seed)
        return linear.weight

    assert torch.equal(weight(0, "a."), weight(0, "a."))
    for other in (weight(1, "a."), weight(0, "b.")):
        similarity = torch.corrcoef(torch.stack([weight(0, "a.").ravel(), other.ravel()]))[0, 1]
        assert abs(similarity.item()) < 0.06


def test_no_two_rows_of_a_large_weight_are_the_same() -> None:
    linear = torch.nn.Linear(5120, 1280, bias=False)  # more numbers than the table has
    fill_random(linear, "x.", 0)
    assert linear.weight.numel() > 6 * TABLE_SIZE
    assert torch.unique(linear.weight, dim=0).shape[0] == 1280


def test_both_layouts_hold_the_same_numbers(tiny: Compose) -> None:
    _, original, _ = build_networks(tiny("attention=original"), CPU)
    _, native, _ = build_networks(tiny("attention=math"), CPU)
    ours, theirs = original.state_dict(), native.state_dict()
    block = "input_blocks.4.1.transformer_blocks.0."
    stacked = torch.cat([ours[f"{block}attn1.to_{name}.weight"] for name in "qkv"])
    assert torch.equal(stacked, theirs[f"{block}attn1.mha.in_proj_weight"])
    for name in "qkv":
        ours_key, theirs_key = f"attn2.to_{name}.weight", f"attn2.mha.{name}_proj_weight"
        assert torch.equal(ours[block + ours_key], theirs[block + theirs_key])
    assert torch.equal(
        ours[f"{block}attn2.to_out.0.bias"], theirs[f"{block}attn2.mha.out_proj.bias"]
    )
    assert not theirs[f"{block}attn1.mha.in_proj_bias"].any()


def test_bf16_weights_are_the_rounded_fp32_ones(tiny: Compose) -> None:
    _, full, _ = build_networks(tiny(), CPU)
    _, half, _ = build_networks(tiny("precision=bf16"), CPU)
    for (_, a), (_, b) in zip(full.named_parameters(), half.named_parameters(), strict=True):
        assert torch.equal(a.bfloat16(), b)


def test_every_parameter_is_filled(tiny: Compose) -> None:
    """``to_empty`` leaves garbage, so filling twice over different garbage must agree."""
    for module in build_networks(tiny(), CPU):
        before = {name: p.clone() for name, p in module.named_parameters()}
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.fill_(float("nan"))
        prefix = {"TextEncoder": "cond_stage_model.", "UNet": "model.diffusion_model."}.get(
            type(module).__name__, "first_stage_model."
        )
        fill_random(module, prefix, 0)
        for name, parameter in module.named_parameters():
            assert torch.equal(parameter, before[name]), name


@pytest.mark.parametrize(
    "model_version", ["sd1_tiny", "sd2_tiny", pytest.param("sd2", marks=pytest.mark.slow)]
)
def test_attention_logits_spread_by_one_to_three(
    compose_config: Compose, model_version: str
) -> None:
    """Over the keys of a query, in every module, through the real pipeline."""
    config = compose_config(
        "gpu=cpu", f"model_version={model_version}", "attention=original", "sampler.steps=1",
        "workload.height=64", "workload.width=64",
    )  # fmt: skip
    if model_version == "sd2":
        config = compose_config("gpu=cpu", "attention=original", "sampler.steps=1")
    pipeline = Ours(config, CPU)
    spreads: dict[str, float] = {}

    def watch(name: str, module: CrossAttention) -> None:
        core = module.core

        def watched(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            logits = q.float() @ k.float().transpose(-1, -2) * q.shape[-1] ** -0.5
            if logits.shape[-1] > 1:
                spreads[name] = logits.std(dim=-1).square().mean().sqrt().item()
            return core(q, k, v)

        module.core = watched

    for name, module in pipeline.unet.named_modules():
        if isinstance(module, CrossAttention):
            watch(name, module)
    batch = make_batch(config, 0, CPU)

    class Silent:
        def step(self) -> None: ...

        def stage(self, name: str) -> None: ...

    with pipeline.running():
        images = text_to_image(pipeline, pipeline.sampler, 9.0, batch, Silent())
    assert images.pixels.isfinite().all()
    assert len(spreads) >= 30
    assert {n: s for n, s in spreads.items() if not 1 <= s <= 3} == {}
