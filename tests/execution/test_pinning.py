"""What the configuration takes from files: prompts and weights."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sd_bench.config.checks import check
from sd_bench.config.overrides import parse_overrides
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import weights_name
from sd_bench.execution.pinning import pinned, recognised_model
from sd_bench.records import find_records, read_record
from sd_bench.sampling.inputs import cut_prompts, image_prompts, image_seeds
from tests.support.checkpoints import save_folder, tiny_config, tiny_state
from tests.support.commands import REPOSITORY, run_python
from tests.support.composition import Compose
from tests.support.state_dicts import state_dict


def test_a_prompt_file_holds_one_prompt_a_line(tiny: Compose, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeffA cat, sitting\r\n\r\n  Ein Hündchen \n".encode())
    config = pinned(tiny(f"prompt_file={file}"))
    assert config.prompts == ["A cat, sitting", "Ein Hündchen"]
    check(config)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file or directory; name a text file"),
        (b"", "contains no prompt"),
        (b"\n \n", "contains no prompt"),
        (b"\xff\xfe\x00A", "is not text in UTF-8 but in UTF-16: save it as UTF-8"),
        (b"caf\xe9\n", r"is not text in UTF-8 \(byte 3\)"),
    ],
)
def test_a_prompt_file_that_holds_none_is_refused(
    tiny: Compose, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "prompts.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        pinned(tiny(f"prompt_file={file}"))


def test_prompt_and_prompt_file_together_are_refused(tiny: Compose) -> None:
    with pytest.raises(ConfigError, match="both given"):
        pinned(tiny("prompt=Other", "prompt_file=a.txt"))


@pytest.mark.slow
def test_prompts_take_turns_and_image_i_is_the_same_at_every_batch_size(tiny: Compose) -> None:
    def images(batch_size: int, iterations: int) -> list[tuple[str, int]]:
        config = tiny("prompt=[a,b,c]", f"workload.batch_size={batch_size}")
        return [
            pair
            for i in range(iterations)
            for pair in zip(image_prompts(config, i), image_seeds(config, i), strict=True)
        ]

    expected = [("a", 1), ("b", 2), ("c", 3), ("a", 4), ("b", 5), ("c", 6)]
    assert images(1, 6) == images(2, 3) == images(3, 2) == images(6, 1) == expected


def test_an_over_long_prompt_says_what_was_cut(tiny: Compose) -> None:
    words = " ".join(f"cat{chr(97 + i % 26)}" for i in range(60))
    config = tiny(f"prompt=['{words} and a red bicycle',short]", f"negative_prompt='{words}'")
    warnings = cut_prompts(config)
    assert len(warnings) == 2
    assert warnings[0].startswith("prompt 'cata catb")
    assert "and a red bicycle" in warnings[0]
    assert cut_prompts(tiny("prompt=short")) == []


def test_the_model_is_recognised_only_where_it_is_not_named(tmp_path: Path) -> None:
    file = tmp_path / "model.ckpt"
    torch.save(tiny_state("sd1_tiny"), file)
    assert recognised(f"weights={file}") == (str(file), "sd1_tiny")
    assert recognised(f"weights='{file}'", "model_version=sd2") is None
    assert recognised(f"weights={file}", "experiment=cpu_attention") is None
    assert recognised("batch_size=1") is None
    assert recognised("weights=random") is None


def recognised(*arguments: str) -> tuple[str, str] | None:
    return recognised_model(parse_overrides(arguments))


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("what's {this}.safetensors", "weights='{folder}/what\\'s {{this}}.safetensors'"),
        ("x.ckpt", "weights=${{oc.env:CHECKPOINTS}}/x.ckpt"),
        ("x.ckpt", "++weights={folder}/x.ckpt"),
        ("a, b.ckpt", "weights='{folder}/a, b.ckpt'"),
        ("a=b.ckpt", "weights='{folder}/a=b.ckpt'"),
        ("x.ckpt", "weights={folder}/${{negative_prompt}}.ckpt"),
    ],
)
def test_the_model_is_recognised_from_the_composed_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, argument: str
) -> None:
    monkeypatch.setenv("CHECKPOINTS", str(tmp_path))
    torch.save(tiny_state("sd1_tiny"), tmp_path / name)
    found = recognised("negative_prompt=x", argument.format(folder=tmp_path))
    assert found == (str(tmp_path / name), "sd1_tiny")


@pytest.mark.slow
def test_a_sweep_over_weights_of_one_model_is_recognised_and_of_two_refused(tmp_path: Path) -> None:
    for name, model in (("a", "sd1_tiny"), ("b", "sd1_tiny"), ("c", "sd2_tiny")):
        statements = {"modelspec.prediction_type": "epsilon"}
        save_file(tiny_state(model), tmp_path / name, metadata=statements)
    a, b, c = (tmp_path / name for name in "abc")
    assert recognised(f"weights={a},{b}") == (f"{a}, {b}", "sd1_tiny")
    assert recognised(f"weights=choice({a},{b})") == (f"{a}, {b}", "sd1_tiny")
    with pytest.raises(ConfigError, match=r"a holds sd1_tiny, .*c holds sd2_tiny; sweep over"):
        recognised(f"weights={a},{c}")


def test_where_eps_and_v_cannot_be_told_apart_the_error_names_both(tmp_path: Path) -> None:
    torch.save(tiny_state(), tmp_path / "m.ckpt")
    with pytest.raises(ConfigError) as caught:
        recognised(f"weights={tmp_path / 'm.ckpt'}")
    assert "add model_version=sd2_768_tiny or model_version=sd2_tiny" in str(caught.value)


@pytest.mark.parametrize("argument", ["weights=/x/my model (1) [6ce0].ckpt", "prompt=it's a cat"])
def test_a_value_that_hydra_cannot_read_is_named_with_how_to_quote_it(argument: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_overrides([argument])
    told, _, quoted = str(caught.value).partition("quote it as ")
    assert told.startswith(f"{argument}: ")
    (typed,) = shlex.split(quoted)
    (override,) = parse_overrides([typed])
    assert f"{override.key_or_group}={override.value()}" == argument


@pytest.mark.slow
def test_files_of_one_name_and_folders_with_a_dot_have_names_of_their_own(tmp_path: Path) -> None:
    names = []
    for folder, factor in (("A", 1.0), ("B", 2.0)):
        (tmp_path / folder).mkdir()
        state = {key: value * factor for key, value in tiny_state().items()}
        torch.save(state, tmp_path / folder / "model.ckpt")
        config = dataclasses.replace(tiny_config(), weights=str(tmp_path / folder / "model.ckpt"))
        names.append(weights_name(pinned(config)))
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"model #[0-9a-f]{7}", name) for name in names)
    folders = [save_folder(tmp_path / f"stable-diffusion-v1.{n}") for n in (4, 5)]
    found = [
        weights_name(pinned(dataclasses.replace(tiny_config(), weights=str(f)))) for f in folders
    ]
    assert [name.partition(" #")[0] for name in found] == [f.name for f in folders]


def test_a_name_of_weights_is_the_same_wherever_they_lie(tmp_path: Path) -> None:
    torch.save(tiny_state(), tmp_path / "model.ckpt")
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "model.ckpt", tmp_path / "other" / "model.CKPT")
    paths = (tmp_path / "model.ckpt", tmp_path / "other" / "model.CKPT")
    configs = [pinned(dataclasses.replace(tiny_config(), weights=str(path))) for path in paths]
    assert weights_name(configs[0]) == weights_name(configs[1])


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_prompt_file_and_a_time_file_are_files(tiny: Compose, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match=f"prompt_file=.*is a {kind}, not a file"):
        pinned(tiny(f"prompt_file={path}"))
    with pytest.raises(ConfigError, match=f"time_file=.*is a {kind}; name a file"):
        check(tiny(f"time_file={path}"))


def facts_of(picture: Path) -> dict[str, Any]:
    with Image.open(picture) as image:
        facts: dict[str, Any] = json.loads(image.info["sd_bench"])
    return facts


@pytest.mark.slow
def test_a_users_own_checkpoint_and_prompts_make_the_images(
    compose_config: Compose, tmp_path: Path
) -> None:
    """The whole command, from a file of sd1's layout to the pictures' metadata."""
    config = compose_config("gpu=cpu", "model_version=sd1_tiny", "precision=fp32")
    torch.save({"state_dict": state_dict(config)}, tmp_path / "my model.ckpt")
    out = tmp_path / "out"
    ran = run_python(
        "-m", "sd_bench", f"weights='{tmp_path / 'my model.ckpt'}'",
        "prompt=[a cat,a dog]", "negative_prompt=blurry", "batch_size=2", "gpu=cpu",
        "precision=fp32", "protocol=smoke", "workload.height=64", "workload.width=64",
        f"hydra.sweep.dir={out}", folder=REPOSITORY, environment=os.environ, timeout=250,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "holds sd1_tiny" in ran.stdout
    (path,) = find_records(out)
    record = read_record(path)
    assert record.status == "ok"
    assert re.fullmatch(r"my model #[0-9a-f]{7}", record.choices["weights"])
    assert record.choices["weights"].endswith(record.config["weights_digest"][:7])
    assert record.choices["model_version"] == "sd1_tiny"
    assert len(record.config["weights_digest"]) == 64
    assert record.output is not None
    assert record.output.prompts == ["a cat", "a dog"]
    facts = [facts_of(path.parent / name) for name in record.output.image_files]
    assert [(f["prompt"], f["negative_prompt"], f["seed"]) for f in facts] == [
        ("a cat", "blurry", 1), ("a dog", "blurry", 2),
    ]  # fmt: skip
