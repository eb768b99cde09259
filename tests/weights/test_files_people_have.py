"""Checkpoints from trainers, mergers and converters are loaded, or refused by name."""

from __future__ import annotations

import collections
import datetime
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sd_bench.config.conversion import known_models
from sd_bench.errors import WeightsError
from sd_bench.weights.checkpoint import open_checkpoint
from sd_bench.weights.checkpoint_fit import recognise
from sd_bench.weights.key_names import LEFT_ASIDE, OLD_NAMES
from tests.support.checkpoints import assert_loads, assert_right, loaded, tiny_state

State = dict[str, Tensor]
SD2_TEXT = "cond_stage_model.model."
SD1_TEXT = "cond_stage_model.transformer."

EXTRAS: dict[str, State] = {
    "positions under transformers' names in an sd2 file": {
        f"{SD2_TEXT}transformer.text_model.embeddings.position_ids": torch.arange(77)[None]
    },
    "k-diffusion's schedule": {"sigmas": torch.ones(1000), "denoiser.log_sigmas": torch.ones(1000)},
    "the unused image tower": {
        f"{SD2_TEXT}visual.class_embedding": torch.ones(4),
        f"{SD2_TEXT}visual.transformer.resblocks.0.ln_1.weight": torch.ones(4),
        "cond_stage_model.logit_scale": torch.tensor(4.6),
    },
    "a mark of zero elements": {"made_by_merger": torch.empty(0)},
    "counters": {"global_step": torch.tensor(7), "epoch": torch.tensor(1)},
}


@pytest.mark.parametrize("name", EXTRAS)
def test_known_extras_of_trainers_and_mergers_are_left_aside(tmp_path: Path, name: str) -> None:
    torch.save(tiny_state() | EXTRAS[name], tmp_path / "m.ckpt")
    assert_loads(tmp_path / "m.ckpt")


def test_unknown_extras_are_named_and_can_be_ignored(tmp_path: Path) -> None:
    torch.save(tiny_state() | {"control_model.a": torch.ones(1)}, tmp_path / "m.ckpt")
    with pytest.raises(WeightsError, match=r"control_model\.a, .* add ignore_extra_keys=true"):
        loaded(tmp_path / "m.ckpt")
    assert_right(loaded(tmp_path / "m.ckpt", ignore_extra_keys=True))


def test_ignoring_extras_ignores_nothing_else(tmp_path: Path) -> None:
    state = tiny_state() | {"control_model.a": torch.ones(1)}
    del state["model.diffusion_model.out.2.bias"]
    torch.save(state, tmp_path / "m.ckpt")
    with pytest.raises(WeightsError, match=r"lacks model\.diffusion_model\.out\.2\.bias"):
        loaded(tmp_path / "m.ckpt", ignore_extra_keys=True)


def test_every_row_of_both_tables_has_a_reason() -> None:
    assert all(row.reason for row in LEFT_ASIDE)
    assert all(row.reason for row in OLD_NAMES)


@pytest.mark.slow
def test_an_sd1_text_encoder_without_text_model_loads(tmp_path: Path) -> None:
    state = tiny_state("sd1_tiny")
    old = {key.replace(f"{SD1_TEXT}text_model.", SD1_TEXT): value for key, value in state.items()}
    assert old.keys() != state.keys()
    torch.save(old, tmp_path / "m.ckpt")
    assert_loads(tmp_path / "m.ckpt", "sd1_tiny")


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "module.model.", "ema.", "_orig_mod.module."]
)
def test_keys_with_a_prefix_of_training_load(tmp_path: Path, prefix: str) -> None:
    torch.save({prefix + key: value for key, value in tiny_state().items()}, tmp_path / "m.ckpt")
    assert_loads(tmp_path / "m.ckpt")


def test_a_prefix_before_old_names_is_taken_off_too(tmp_path: Path) -> None:
    state = {
        f"model.{key.replace(f'{SD1_TEXT}text_model.', SD1_TEXT)}": value
        for key, value in tiny_state("sd1_tiny").items()
    }
    torch.save(state, tmp_path / "m.ckpt")
    assert_loads(tmp_path / "m.ckpt", "sd1_tiny")


@pytest.mark.parametrize(
    "rename",
    [
        lambda key: key.replace("diffusion_model.", "diffusion_model._orig_mod."),
        lambda key: key.replace("first_stage_model.", "first_stage_model.module."),
        lambda key: key.removeprefix("model.") if "diffusion_model" in key else key,
    ],
    ids=["a compiled UNet", "a wrapped autoencoder", "the first word lost"],
)
def test_names_inside_that_training_has_changed_load(
    tmp_path: Path, rename: Callable[[str], str]
) -> None:
    save_file({rename(k): v for k, v in tiny_state().items()}, tmp_path / "m.safetensors")
    assert_loads(tmp_path / "m.safetensors")


def test_two_names_of_one_tensor_are_both_named(tmp_path: Path) -> None:
    key = "model.diffusion_model.out.2.bias"
    torch.save(tiny_state() | {f"module.{key}": torch.zeros(4)}, tmp_path / "m.ckpt")
    with pytest.raises(WeightsError, match=rf"holds {key} and module\.{key}, which are both"):
        open_checkpoint(tmp_path / "m.ckpt")


@pytest.mark.parametrize("name", ["model", "module", "model_state_dict", "net"])
def test_a_state_dict_in_a_table_of_another_name_loads(tmp_path: Path, name: str) -> None:
    content = {name: tiny_state(), "epoch": 3, "optimizer": {"state": {0: {"exp_avg": 1}}}}
    torch.save(content, tmp_path / "m.ckpt")
    assert_loads(tmp_path / "m.ckpt")


def test_a_state_dict_two_tables_deep_loads(tmp_path: Path) -> None:
    torch.save({"checkpoint": {"model": tiny_state()}}, tmp_path / "m.ckpt")
    assert_loads(tmp_path / "m.ckpt")


AMBIGUOUS: dict[str, tuple[Callable[[], Any], str]] = {
    "two of them": (
        lambda: {"model": tiny_state(), "ema": tiny_state()},
        r"holds several state dicts \(model, ema\)",
    ),
    "two UNets": (
        lambda: {f"{p}.{k}": v for p in ("model", "ema") for k, v in tiny_state().items()},
        r"holds several UNets \(model\.model\.diffusion_model\.\*, ema\.model",
    ),
    "none": (lambda: {"epoch": 1, "note": "x"}, "no tensors with names in it, but epoch, note"),
    "a list": (lambda: [1, 2], "holds no state dict but a list"),
    "a LoRA": (
        lambda: {"lora_unet_down.weight": torch.ones(1)},
        "keys found: 1, such as lora_unet_down.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_where_it_is_not_clear_what_is_meant_the_error_says_what_was_found(
    tmp_path: Path, name: str
) -> None:
    make, expected = AMBIGUOUS[name]
    torch.save(make(), tmp_path / "m.ckpt")
    with pytest.raises(WeightsError, match=expected):
        open_checkpoint(tmp_path / "m.ckpt")


@pytest.mark.parametrize("name", ["m.ckpt", "m.CKPT", "m.bin", "m", "m.safetensors", "m.zip"])
@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_content_decides_and_never_the_name(tmp_path: Path, name: str, form: str) -> None:
    save = save_file if form == "safetensors" else torch.save
    save(tiny_state(), tmp_path / name)
    assert_loads(tmp_path / name)


def left_by_trainers() -> dict[str, Any]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    return {
        "counter": collections.Counter(a=2, b=3),
        "queue": collections.deque([1, 2], maxlen=5),
        "ordered": collections.OrderedDict(a=1),
        "default": collections.defaultdict(list, a=[1]),
        "date": datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc),
        "took": datetime.timedelta(hours=3),
        "complex": 1 + 2j,
        "slice": slice(1, 10, 2),
        "range": range(10),
        "bytes": bytearray(b"abc"),
        "lr_schedulers": [schedule.state_dict()],
        "whole_schedule": schedule,
        "optimizer": optimizer,
        "rng": torch.get_rng_state(),
        "where": Path("a/b"),
        "dtype": torch.float16,
    }


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("what", left_by_trainers())
def test_what_trainers_leave_beside_the_weights_does_no_harm(
    tmp_path: Path, what: str, protocol: int
) -> None:
    content = {
        "state_dict": {"model.diffusion_model.a": torch.ones(2)},
        what: left_by_trainers()[what],
    }
    torch.save(content, tmp_path / "m.ckpt", pickle_protocol=protocol)
    assert list(open_checkpoint(tmp_path / "m.ckpt").tensors) == ["model.diffusion_model.a"]


def test_numpy_values_and_tensors_with_attributes_do_no_harm(tmp_path: Path) -> None:
    import numpy as np

    tensor = torch.ones(2)
    tensor.note = "kept"  # type: ignore[attr-defined]
    content = {
        "state_dict": {"model.diffusion_model.a": tensor},
        "numpy": [np.float32(1), np.arange(3), np.random.RandomState(0), np.float64],
    }
    torch.save(content, tmp_path / "m.ckpt")
    (stored,) = open_checkpoint(tmp_path / "m.ckpt").tensors.values()
    assert (stored.shape, stored.dtype) == ((2,), "float32")


@pytest.mark.parametrize(
    ("metadata", "model"),
    [
        ({"modelspec.prediction_type": "v"}, "sd2_768_tiny"),
        ({"modelspec.prediction_type": "epsilon"}, "sd2_tiny"),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, "sd2_768_tiny"),
        ({"ss_base_model_version": "sd_v2_512"}, "sd2_tiny"),
    ],
)
def test_the_kind_of_prediction_is_read_where_the_file_says_it(
    tmp_path: Path, metadata: dict[str, str], model: str
) -> None:
    save_file(tiny_state(), tmp_path / "m.safetensors", metadata=metadata)
    assert recognise(open_checkpoint(tmp_path / "m.safetensors"), known_models()) == [model]
    assert_loads(tmp_path / "m.safetensors", model)
    other = ({"sd2_tiny", "sd2_768_tiny"} - {model}).pop()
    with pytest.raises(WeightsError, match=f"holds {model}, not {other}"):
        loaded(tmp_path / "m.safetensors", other)


@pytest.mark.parametrize(
    ("content", "model"),
    [
        (lambda: tiny_state() | {"v_pred": torch.empty(0)}, "sd2_768_tiny"),
        (
            lambda: {"state_dict": tiny_state(), "hyper_parameters": {"parameterization": "v"}},
            "sd2_768_tiny",
        ),
        (
            lambda: {"state_dict": tiny_state(), "hyper_parameters": {"parameterization": "eps"}},
            "sd2_tiny",
        ),
    ],
)
def test_marker_keys_and_lightnings_settings_say_it_too(
    tmp_path: Path, content: Callable[[], Any], model: str
) -> None:
    torch.save(content(), tmp_path / "m.ckpt")
    assert recognise(open_checkpoint(tmp_path / "m.ckpt"), known_models()) == [model]


@pytest.mark.parametrize(
    ("metadata", "extra", "expected"),
    [
        ({"modelspec.prediction_type": "flow"}, {}, "prediction_type is 'flow'"),
        ({}, {"ztsnr": torch.empty(0)}, "zero terminal SNR"),
        ({"modelspec.prediction_type": "epsilon"}, {"v_pred": torch.empty(0)}, "v_pred|epsilon"),
    ],
)
def test_a_prediction_or_schedule_that_no_model_has_is_refused(
    tmp_path: Path, metadata: dict[str, str], extra: State, expected: str
) -> None:
    save_file(tiny_state() | extra, tmp_path / "m.safetensors", metadata=metadata)
    for model in ("sd2_tiny", "sd2_768_tiny"):
        with pytest.raises(WeightsError, match=expected):
            loaded(tmp_path / "m.safetensors", model)


def test_a_folder_of_any_name_and_a_link_to_a_file_load(tmp_path: Path) -> None:
    folder = tmp_path / "Modelle für 'später' (neu) \U0001f600"
    folder.mkdir()
    torch.save(tiny_state(), folder / "mein modell.ckpt")
    (tmp_path / "link").symlink_to(folder / "mein modell.ckpt")
    assert_loads(folder / "mein modell.ckpt")
    assert_loads(tmp_path / "link")
    shutil.rmtree(folder)
    with pytest.raises(WeightsError, match="link: no such file or directory"):
        open_checkpoint(tmp_path / "link")
