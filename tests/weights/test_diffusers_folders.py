"""Folders of diffusers: the index decides, and every setting is accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sd_bench.config.conversion import known_models
from sd_bench.errors import WeightsError
from sd_bench.weights.checkpoint import digest, open_checkpoint
from sd_bench.weights.checkpoint_fit import recognise
from tests.support.checkpoints import (
    assert_loads,
    loaded,
    networks_of,
    save_folder,
    write_json,
)

STEM = "diffusion_pytorch_model"
INDEX = f"{STEM}.safetensors.index.json"


def shard(folder: Path, total: int, factor: float = 1.0, index: bool = True) -> dict[str, str]:
    """The UNet in ``total`` shards instead of one file; its numbers times ``factor``."""
    unet = folder / "unet"
    (unet / f"{STEM}.safetensors").unlink(missing_ok=True)
    tensors = networks_of()["unet"]
    placed: dict[str, str] = {}
    for number in range(total):
        keys = list(tensors)[number::total]
        name = f"{STEM}-{number + 1:05}-of-{total:05}.safetensors"
        save_file({k: tensors[k].contiguous() * factor for k in keys}, unet / name)
        placed |= dict.fromkeys(keys, name)
    if index:
        write_json(unet / INDEX, {"metadata": {}, "weight_map": placed})
    return placed


def test_shards_of_an_older_save_beside_those_of_the_index_are_not_read(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "m")
    shard(folder, 3, factor=2, index=False)
    shard(folder, 2)
    assert_loads(folder)


@pytest.mark.slow
def test_the_index_of_torchs_own_files_and_of_a_variant_decide_too(tmp_path: Path) -> None:
    for name, index in (
        (f"{STEM}-a.bin", "bin.index.json"),
        (f"{STEM}-b.bin", "bin.index.fp16.json"),
    ):
        folder = save_folder(tmp_path / index)
        (folder / "unet" / f"{STEM}.safetensors").unlink()
        tensors = networks_of()["unet"]
        torch.save(tensors, folder / "unet" / name)
        torch.save({k: v * 2 for k, v in tensors.items()}, folder / "unet" / f"{STEM}-old.bin")
        write_json(
            folder / "unet" / f"{STEM}.{index}", {"weight_map": dict.fromkeys(tensors, name)}
        )
        assert_loads(folder)


def test_a_whole_set_of_shards_without_an_index_loads_and_two_sets_do_not(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "m")
    shard(folder, 2, index=False)
    assert_loads(folder)
    shard(folder, 3, index=False)
    with pytest.raises(WeightsError, match=r"has 5 shards in unet/ that are not a complete set"):
        open_checkpoint(folder)


BAD_INDEX: dict[str, tuple[Any, str]] = {
    "a shard is missing": ("gone.safetensors", r"lacks unet/gone\.safetensors, which unet/"),
    "it leads out of the folder": ("../../x.safetensors", r"refused: .* names \.\./\.\./x"),
    "it names no file": (3, "refused"),
    "a tensor is elsewhere": (f"{STEM}-00002-of-00002.safetensors", "where .* says that it is"),
}


@pytest.mark.parametrize("name", BAD_INDEX)
def test_an_index_that_is_not_true_is_named(tmp_path: Path, name: str) -> None:
    named_file, expected = BAD_INDEX[name]
    folder = save_folder(tmp_path / "m")
    placed: dict[str, Any] = {**shard(folder, 2)}
    first = next(key for key, where in placed.items() if "00001" in where)
    placed[first] = named_file
    write_json(folder / "unet" / INDEX, {"weight_map": placed})
    with pytest.raises(WeightsError, match=expected):
        open_checkpoint(folder)


@pytest.mark.parametrize("content", ["[]", "{}", '{"weight_map": []}', "{", "[" * 100_000, "\x00"])
def test_what_is_not_an_index_is_named(tmp_path: Path, content: str) -> None:
    folder = save_folder(tmp_path / "m")
    (folder / "unet" / INDEX).write_text(content)
    with pytest.raises(WeightsError, match=r"unet/.*index\.json is not") as caught:
        open_checkpoint(folder)
    assert "\n" not in str(caught.value)


def test_the_digest_changes_with_what_the_index_takes(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "m")
    placed = shard(folder, 2)
    before = digest(folder)
    write_json(folder / "unet" / INDEX, {"weight_map": dict(list(placed.items())[1:])})
    assert digest(folder) != before


def test_json_with_the_mark_of_an_editor_before_it_is_read(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "m")
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert_loads(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("trained_betas", [0.1, 0.2], "trained_betas is [0.1, 0.2], not None"),
        ("rescale_betas_zero_snr", True, "rescale_betas_zero_snr is True"),
        ("use_flow_sigmas", True, "use_flow_sigmas is True"),
        ("beta_schedule", "linear", "beta_schedule is 'linear', not 'scaled_linear'"),
        ("beta_end", 0.02, "beta_end is 0.02, not 0.012"),
        ("num_train_timesteps", 500, "num_train_timesteps is 500"),
        ("prediction_type", "sample", "prediction_type is 'sample'"),
        ("warp_betas", 0.5, "warp_betas is 0.5, an unknown setting"),
        ("_class_name", "FlowMatchEulerDiscreteScheduler", "_class_name is 'FlowMatchEuler"),
        ("predict_epsilon", False, "predict_epsilon is False"),
    ],
)
def test_a_scheduler_of_another_schedule_is_refused_by_name(
    tmp_path: Path, setting: str, value: Any, expected: str
) -> None:
    folder = save_folder(tmp_path / "m", **{setting: value})
    with pytest.raises(WeightsError) as caught:
        loaded(folder)
    assert f"scheduler's {expected}" in str(caught.value)


def test_what_a_scheduler_leaves_out_is_what_diffusers_takes(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "m")
    file = folder / "scheduler" / "scheduler_config.json"
    settings = json.loads(file.read_text())
    del settings["beta_start"]
    write_json(file, settings)
    with pytest.raises(WeightsError, match=r"beta_start is 0\.0001, not 0\.00085"):
        loaded(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scheduler",
    ["DDIM", "PNDM", "EulerDiscrete", "DPMSolverMultistep", "UniPCMultistep", "HeunDiscrete"],
)
def test_every_setting_of_diffusers_own_schedulers_is_accounted_for(
    tmp_path: Path, scheduler: str
) -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    made = getattr(diffusers, f"{scheduler}Scheduler")(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    )
    folder = save_folder(tmp_path / "m")
    made.save_pretrained(folder / "scheduler")
    assert recognise(open_checkpoint(folder), known_models()) == ["sd2_tiny"]
    assert_loads(folder)


@pytest.mark.parametrize(
    ("network", "setting", "value"),
    [
        ("vae", "scaling_factor", 0.13025),
        ("unet", "flip_sin_to_cos", False),
        ("unet", "act_fn", "gelu"),
        ("text_encoder", "hidden_act", "relu"),
    ],
)
def test_a_setting_that_shapes_do_not_show_is_checked_against_the_model(
    tmp_path: Path, network: str, setting: str, value: Any
) -> None:
    folder = save_folder(tmp_path / "m")
    write_json(folder / network / "config.json", {setting: value})
    with pytest.raises(WeightsError, match=f"{network}'s {setting} is {value!r}"):
        loaded(folder)


@pytest.mark.parametrize(
    ("prediction", "model"), [("v_prediction", "sd2_768_tiny"), ("epsilon", "sd2_tiny")]
)
def test_a_folders_scheduler_says_the_kind_of_prediction(
    tmp_path: Path, prediction: str, model: str
) -> None:
    folder = save_folder(tmp_path / "m", prediction_type=prediction)
    assert recognise(open_checkpoint(folder), known_models()) == [model]


def test_networks_that_were_compiled_and_old_attention_names_load(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "m")
    networks = networks_of()
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    vae = {}
    for key, value in networks["vae"].items():
        name = key
        for new, before in old.items():
            name = name.replace(new, before)
        vae[name] = value.contiguous()
    unet = {f"_orig_mod.{k}": v.contiguous() for k, v in networks["unet"].items()}
    save_file(vae, folder / "vae" / f"{STEM}.safetensors")
    save_file(unet, folder / "unet" / f"{STEM}.safetensors")
    assert vae.keys() != networks["vae"].keys()
    assert_loads(folder)
