"""Real layouts, dtypes and wrappers all give the same networks the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sd_bench.config.conversion import known_models
from sd_bench.config.schema import Config
from sd_bench.errors import WeightsError
from sd_bench.execution.pinning import pinned
from sd_bench.implementations.our_networks import build_networks
from sd_bench.weights.checkpoint import digest, open_checkpoint
from sd_bench.weights.checkpoint_fit import recognise
from tests.support.composition import Compose
from tests.support.state_dicts import CPU, network_parts, state_dict, with_ema
from tests.support.unet_calls import call

pytestmark = pytest.mark.slow

Wrap = Callable[[dict[str, Tensor]], Any]
MODELS = ("sd1_tiny", "sd2_tiny")


class ModelCheckpoint:
    """A class that Lightning checkpoints name; its module is set to that of Lightning below."""

    def __init__(self) -> None:
        self.best_model_score = 0.5


def lightning(state: dict[str, Tensor]) -> dict[str, Any]:
    """A state dict with everything that a training run adds."""
    ModelCheckpoint.__module__ = "pytorch_lightning.callbacks.model_checkpoint"
    return {
        "epoch": 3,
        "global_step": 470000,
        "pytorch-lightning_version": "1.4.2",
        "state_dict": state,
        "callbacks": {"a": ModelCheckpoint},
        "optimizer_states": [{"state": {0: {"step": 1, "exp_avg": torch.zeros(2)}}}],
        "lr_schedulers": [],
    }


@pytest.fixture
def lightning_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.save checks that a class can be imported by the name that it writes."""
    import sys
    from types import ModuleType

    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    module = ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    module.ModelCheckpoint = ModelCheckpoint  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


def with_file(config: Config, path: Path) -> Config:
    config.weights = str(path)
    return pinned(config)


def assert_same_networks(config: Config, expected: dict[str, Tensor]) -> None:
    loaded = network_parts(config)
    assert loaded.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(loaded[key], value), key


@pytest.mark.parametrize("model_version", MODELS)
@pytest.mark.parametrize("attention", ["original", "math"])
@pytest.mark.parametrize("layout", ["published", "multihead"])
@pytest.mark.parametrize("suffix", ["ckpt", "safetensors"])
def test_every_file_fills_every_form_of_the_networks(
    compose_config: Compose, tmp_path: Path, model_version: str, attention: str, layout: str,
    suffix: str,
) -> None:  # fmt: skip
    overrides = ("gpu=cpu", "precision=fp32", f"model_version={model_version}")
    config = compose_config(*overrides, f"attention={attention}", "weights_seed=7")
    expected, state = network_parts(config), state_dict(config, layout)
    file = tmp_path / f"model.{suffix}"
    save_file(state, file) if suffix == "safetensors" else torch.save(state, file)
    assert_same_networks(with_file(config, file), expected)


@pytest.mark.parametrize(
    "wrap",
    [lambda s: s, lambda s: {"state_dict": s}, lightning, lambda s: lightning(with_ema(s))],
    ids=["bare", "state_dict", "lightning", "lightning with averaged weights"],
)
@pytest.mark.usefixtures("lightning_module")
def test_every_wrapping_of_a_state_dict_is_taken_off(
    tiny: Compose, tmp_path: Path, wrap: Wrap
) -> None:
    config = tiny("weights_seed=7")
    expected = network_parts(config)
    torch.save(wrap(state_dict(config)), tmp_path / "model.ckpt")
    assert_same_networks(with_file(config, tmp_path / "model.ckpt"), expected)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_numbers_are_converted_from_the_files_dtype_to_the_precisions(
    tiny: Compose, tmp_path: Path, stored: torch.dtype, precision: str
) -> None:
    config = tiny(f"precision={precision}")
    exact = tiny()
    wanted = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    expected = {key: value.to(stored).to(wanted) for key, value in network_parts(exact).items()}
    state = {key: value.to(stored) for key, value in state_dict(exact).items()}
    save_file(state, tmp_path / "model.safetensors")
    assert_same_networks(with_file(config, tmp_path / "model.safetensors"), expected)


def test_a_tensor_that_lies_transposed_or_inside_another_is_read_right(
    tiny: Compose, tmp_path: Path
) -> None:
    config = tiny()
    expected, state = network_parts(config), state_dict(config)
    transposed = "model.diffusion_model.time_embed.2.weight"
    state[transposed] = state[transposed].t().contiguous().t()
    inside = "model.diffusion_model.time_embed.2.bias"
    state[inside] = torch.cat([torch.zeros(3), state[inside], torch.zeros(9)])[3:-9]
    torch.save(state, tmp_path / "model.ckpt")
    assert_same_networks(with_file(config, tmp_path / "model.ckpt"), expected)


@pytest.mark.parametrize("attention", ["original", "math", "flash"])
def test_converted_weights_give_the_output_of_the_unconverted(
    tiny: Compose, tmp_path: Path, attention: str
) -> None:
    """In fp32: at most the order of sums in the projections differs."""
    config = tiny("attention=original")
    _, reference, _ = build_networks(config, CPU)
    save_file(state_dict(config, "multihead"), tmp_path / "model.safetensors")
    other = with_file(tiny(f"attention={attention}"), tmp_path / "model.safetensors")
    _, unet, _ = build_networks(other, CPU)
    expected = call(reference, (), size=16)
    output = call(unet, other.attention.allowed_sdpa_backends, size=16)
    assert ((output - expected).norm() / expected.norm()).item() < 1e-5


@pytest.mark.parametrize("model_version", [*MODELS, "sd2_768_tiny"])
def test_a_model_is_recognised_by_keys_and_shapes(
    compose_config: Compose, tmp_path: Path, model_version: str
) -> None:
    config = compose_config(
        "gpu=cpu", "precision=fp32", f"model_version={model_version}", "sampler=ddim"
    )
    torch.save(state_dict(config), tmp_path / "model.ckpt")
    names = recognise(open_checkpoint(tmp_path / "model.ckpt"), known_models())
    alike = ["sd2_768_tiny", "sd2_tiny"]
    assert sorted(names) == ([model_version] if model_version == "sd1_tiny" else alike)


def test_another_models_weights_are_refused_with_the_models_name(
    compose_config: Compose, tmp_path: Path
) -> None:
    config = compose_config("gpu=cpu", "precision=fp32", "model_version=sd1_tiny")
    torch.save(state_dict(config), tmp_path / "model.ckpt")
    other = compose_config("gpu=cpu", "model_version=sd2_tiny")
    with pytest.raises(WeightsError, match=r"holds sd1_tiny, not sd2_tiny .* model_version=sd1"):
        with_file(other, tmp_path / "model.ckpt")


def change(state: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    key = "model.diffusion_model.out.2.bias"
    if how == "missing":
        del state[key]
    elif how == "unexpected":
        state["model.diffusion_model.control.weight"] = torch.zeros(1)
    elif how == "shape":
        state[key] = torch.zeros(9)
    elif how == "dtype":
        state[key] = torch.zeros(4, dtype=torch.int64)
    elif how == "schedule":
        state["alphas_cumprod"] = torch.linspace(1, 0, 1000)
    return state


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("missing", "lacks model.diffusion_model.out.2.bias"),
        ("unexpected", "holds model.diffusion_model.control.weight, which the model does not have"),
        ("shape", r"model.diffusion_model.out.2.bias has the shape \(9,\), not \(4,\)"),
        ("dtype", "model.diffusion_model.out.2.bias is int64; weights are float64"),
        ("schedule", r"its noise schedule \(alphas_cumprod\) is different"),
    ],
)
def test_what_does_not_fit_is_named(tiny: Compose, tmp_path: Path, how: str, expected: str) -> None:
    config = tiny()
    torch.save(change(state_dict(config), how), tmp_path / "model.ckpt")
    with pytest.raises(WeightsError, match=expected) as caught:
        with_file(config, tmp_path / "model.ckpt")
    assert "\n" not in str(caught.value)


def test_the_right_schedule_in_half_precision_is_the_models(tiny: Compose, tmp_path: Path) -> None:
    from sd_bench.sampling.schedule import make_schedule

    config = tiny()
    alphas = torch.tensor(make_schedule(config.model_version.schedule).alphas_cumprod)
    torch.save(state_dict(config) | {"alphas_cumprod": alphas.half()}, tmp_path / "model.ckpt")
    with_file(config, tmp_path / "model.ckpt")


def test_a_bias_that_is_not_zero_is_refused(tiny: Compose, tmp_path: Path) -> None:
    config = tiny()
    state = state_dict(config, "multihead")
    matrix = next(key for key in state if key.endswith("in_proj_weight"))
    bias = matrix.replace("in_proj_weight", "in_proj_bias")
    state[bias] = torch.zeros(len(state[matrix]))
    save_file(state, tmp_path / "zero.safetensors")
    network_parts(with_file(config, tmp_path / "zero.safetensors"))
    state[bias][0] = 1e-3
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="in_proj_bias is not zero"):
        network_parts(with_file(config, tmp_path / "model.safetensors"))


def test_the_digest_is_the_files_sha256_and_part_of_the_cells_identity(
    tiny: Compose, tmp_path: Path
) -> None:
    import hashlib

    from sd_bench.execution.cell import cell_hash

    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.save(state_dict(tiny(f"weights_seed={seed}")), tmp_path / f"{name}.ckpt")
    a, b, c = (with_file(tiny(), tmp_path / f"{name}.ckpt") for name in "abc")
    assert a.weights_digest == hashlib.sha256((tmp_path / "a.ckpt").read_bytes()).hexdigest()
    assert digest(tmp_path / "a.ckpt") == a.weights_digest
    assert (cell_hash(a) == cell_hash(b)) == (a.weights_digest == b.weights_digest)
    assert len({cell_hash(config) for config in (tiny(), a, c)}) == 3
