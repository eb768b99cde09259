"""What the configuration takes from files: prompts and weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sd_bench.config.checks import check
from sd_bench.errors import ConfigError
from sd_bench.execution.pinning import pinned, recognised_model
from sd_bench.records import find_records, read_record
from sd_bench.sampling.inputs import cut_prompts, image_prompts, image_seeds
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
        (b"", "holds no prompt"),
        (b"\n \n", "holds no prompt"),
        (b"\xff\xfe\x00A", "is not text in UTF-8"),
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


def test_the_model_is_recognised_only_where_it_is_not_named(tiny: Compose, tmp_path: Path) -> None:
    file = tmp_path / "model.ckpt"
    torch.save(state_dict(tiny()), file)
    assert recognised_model([f"weights={file}"]) == (str(file), ["sd2_768_tiny", "sd2_tiny"])
    assert recognised_model([f"weights='{file}'", "model_version=sd2"]) is None
    assert recognised_model([f"weights={file}", "experiment=cpu_attention"]) is None
    assert recognised_model([f"weights={file},{file}"]) is None
    assert recognised_model(["batch_size=1"]) is None
    assert recognised_model(["weights=random"]) is None


def facts_of(picture: Path) -> dict[str, Any]:
    with Image.open(picture) as image:
        facts: dict[str, Any] = json.loads(image.info["sd_bench"])
    return facts


def test_a_users_own_checkpoint_and_prompts_make_the_images(
    compose_config: Compose, tmp_path: Path
) -> None:
    """The whole command, from a file of sd1's layout to the pictures' metadata."""
    config = compose_config("gpu=cpu", "model_version=sd1_tiny", "precision=fp32")
    torch.save({"state_dict": state_dict(config)}, tmp_path / "my model.ckpt")
    out = tmp_path / "out"
    ran = subprocess.run(
        [
            sys.executable, "-m", "sd_bench", f"weights='{tmp_path / 'my model.ckpt'}'",
            "prompt=[a cat,a dog]", "negative_prompt=blurry", "batch_size=2", "gpu=cpu",
            "precision=fp32", "protocol=smoke", "workload.height=64", "workload.width=64",
            f"hydra.sweep.dir={out}",
        ],
        capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "holds sd1_tiny" in ran.stdout
    (path,) = find_records(out)
    record = read_record(path)
    assert record.status == "ok"
    assert record.choices["weights"] == "my model"
    assert record.choices["model_version"] == "sd1_tiny"
    assert len(record.config["weights_digest"]) == 64
    assert record.output is not None
    assert record.output.prompts == ["a cat", "a dog"]
    facts = [facts_of(path.parent / name) for name in record.output.image_files]
    assert [(f["prompt"], f["negative_prompt"], f["seed"]) for f in facts] == [
        ("a cat", "blurry", 1), ("a dog", "blurry", 2),
    ]  # fmt: skip
