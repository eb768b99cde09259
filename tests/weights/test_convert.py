"""The converter: round trips are exact, keys are the published ones, nothing is lost."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sd_bench.weights.checkpoint import open_checkpoint
from sd_bench.weights.checkpoint_weights import read
from sd_bench.weights.convert import convert, main
from sd_bench.weights.parts import UNET
from tests.support.composition import Compose
from tests.support.real_layouts import real_layout
from tests.support.state_dicts import state_dict, with_ema


def load(path: Path) -> dict[str, Tensor]:
    return {key: read(stored) for key, stored in open_checkpoint(path).tensors.items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert value.dtype == other[key].dtype, key
        assert torch.equal(value, other[key]), key


@pytest.mark.slow
@pytest.mark.parametrize("suffixes", [("ckpt", "safetensors"), ("safetensors", "ckpt")])
@pytest.mark.parametrize("model_version", ["sd1_tiny", "sd2_tiny"])
def test_there_and_back_is_the_same_bit_for_bit(
    compose_config: Compose, tmp_path: Path, model_version: str, suffixes: tuple[str, str]
) -> None:
    config = compose_config("gpu=cpu", "precision=fp32", f"model_version={model_version}")
    state = with_ema(state_dict(config))
    state = {
        k: v.half() if ".attn1." in k and v.is_floating_point() else v for k, v in state.items()
    }
    names = zip("abc", (*suffixes, "ckpt"), strict=True)
    first, second, third = (tmp_path / f"{name}.{suffix}" for name, suffix in names)
    torch.save({"state_dict": state}, first) if suffixes[0] == "ckpt" else save_file(state, first)
    convert(first, second)
    assert open_checkpoint(second).layout == "multihead"
    convert(second, third)
    assert_same(load(third), state)
    assert {p.name for p in tmp_path.iterdir()} == {first.name, second.name, third.name}


def test_the_keys_are_the_published_converters_with_the_bias_it_forgot(
    tiny: Compose, tmp_path: Path
) -> None:
    """With sd2's real layout, its wide axes narrowed forty times."""
    shapes = small({key: ast.literal_eval(text) for key, text in real_layout("sd2").items()})
    state = {key: torch.zeros(shape, dtype=torch.int8) for key, shape in shapes.items()}
    save_file(state, tmp_path / "a.safetensors")
    convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    expected = {k: ast.literal_eval(text) for k, text in real_layout("sd2_native_mha").items()}
    converted = load_file(tmp_path / "b.safetensors")
    found = {key: tuple(value.shape) for key, value in converted.items()}
    assert found == small(expected)
    assert sum(key.endswith("in_proj_bias") for key in found) == 32


def small(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {k: tuple(n // 40 if n >= 320 else n for n in s) for k, s in shapes.items()}


@pytest.mark.slow
@pytest.mark.parametrize("to", ["multihead", "published"])
def test_averaged_weights_are_kept_dropped_or_used(tiny: Compose, tmp_path: Path, to: str) -> None:
    state = with_ema(state_dict(tiny()))
    source = tmp_path / "a.safetensors"
    save_file(state, source)
    outs = {}
    for ema in ("keep", "drop", "use"):
        convert(source, tmp_path / f"{ema}.safetensors", to, ema)
        outs[ema] = load_file(tmp_path / f"{ema}.safetensors")
    own = {key for key in outs["drop"] if key.startswith(UNET)}
    assert not any(key.startswith("model_ema.") for key in (*outs["drop"], *outs["use"]))
    assert outs["drop"].keys() == outs["use"].keys()
    for key in own:
        value = outs["drop"][key]
        if key.endswith("in_proj_bias"):
            assert not value.any()
            continue
        assert torch.equal(outs["use"][key], value + 1), key
        averaged = "model_ema." + key.removeprefix("model.").replace(".", "")
        assert torch.equal(outs["keep"][averaged], value + 1), key


@pytest.mark.slow
def test_it_never_overwrites_and_leaves_nothing_half_written(
    tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(state_dict(tiny()), tmp_path / "a.safetensors")
    (tmp_path / "b.ckpt").write_text("precious")
    assert main([str(tmp_path / "a.safetensors"), str(tmp_path / "b.ckpt")]) == 2
    assert "exists already; name a new file" in capsys.readouterr().err
    assert (tmp_path / "b.ckpt").read_text() == "precious"
    assert main([str(tmp_path / "a.safetensors"), str(tmp_path / "missing" / "b.ckpt")]) == 2
    assert {p.name for p in tmp_path.iterdir()} == {"a.safetensors", "b.ckpt"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["missing.ckpt", "b.ckpt"], "no such file or directory"),
        (["a.safetensors", "b.txt"], "ends in .ckpt or .safetensors"),
        (["a.safetensors", "b.ckpt", "--ema", "use"], "has no averaged weights"),
        (["biased.safetensors", "b.ckpt"], "in_proj_bias is not zero"),
    ],
)
def test_what_it_cannot_do_is_reported_in_one_line(
    tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    arguments: list[str], expected: str,
) -> None:  # fmt: skip
    state = state_dict(tiny())
    save_file(state, tmp_path / "a.safetensors")
    biased = state_dict(tiny(), "multihead")
    biased[f"{UNET}input_blocks.1.1.transformer_blocks.0.attn1.mha.in_proj_bias"] = torch.ones(96)
    save_file(biased, tmp_path / "biased.safetensors")
    source, target, *rest = arguments
    assert main([str(tmp_path / source), str(tmp_path / target), *rest]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / target).exists()
