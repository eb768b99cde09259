"""Labels of cells, their identity, and the interpreter that runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hydra_plugins.sd_bench_launcher import distinct_labels
from sd_bench.config.schema import TorchEnvConfig
from sd_bench.environments.interpreter import Interpreter, find_interpreter
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import cell_hash, choices
from sd_bench.paths import CONF_DIR
from tests.support.composition import Compose


def test_a_label_says_what_differs_between_jobs() -> None:
    jobs = [
        ["gpu=cpu", "batch_size='1'", "attention=math"],
        ["gpu=cpu", "batch_size='2'", "attention=math"],
    ]
    assert distinct_labels(jobs) == ["batch_size=1", "batch_size=2"]
    assert distinct_labels([["gpu=cpu", "attention=math"]]) == ["gpu=cpu attention=math"]
    assert distinct_labels([["threads.count=1"], ["threads.count=2"]]) == ["threads=1", "threads=2"]
    assert distinct_labels([[]]) == [""]


@pytest.mark.parametrize(
    "override",
    [
        "attention=math", "batch_size=2", "compile=default", "precision=fp32", "sampler.steps=2",
        "workload.seed=2", "workload.height=64", "weights_seed=1", "protocol.n_iter=2",
        "protocol.warmup=1", "model_version=sd1", "attention.disable_flash=true",
        "model_version.unet.use_checkpoint=true", "torch_env=optimized", "prompt=Other",
        "allocator=default", "allocator=jemalloc", "threads=1", "threads.pinned=true",
    ],
)  # fmt: skip
def test_what_can_change_a_result_changes_the_hash(compose_config: Compose, override: str) -> None:
    assert cell_hash(compose_config("gpu=cpu", override)) != cell_hash(compose_config("gpu=cpu"))


@pytest.mark.parametrize(
    "override",
    [
        "protocol.rounds=7", "protocol.order_seed=3", "protocol.time_limit_s=60", "images=false",
        "time_file=times.txt", "dry_run=true", "traceback=true", "protocol.name=other",
        "preset.name=other", "experiment=none",
    ],
)  # fmt: skip
def test_what_cannot_change_a_result_does_not(compose_config: Compose, override: str) -> None:
    assert cell_hash(compose_config("gpu=cpu", override)) == cell_hash(compose_config("gpu=cpu"))


def test_choices_name_every_axis(compose_config: Compose) -> None:
    chosen = choices(compose_config("gpu=cpu", "preset=optimized_compile", "batch_size=4"))
    assert chosen["preset"] == "optimized_compile"
    assert (chosen["attention"], chosen["compile"], chosen["batch_size"]) == ("auto", "default", 4)
    assert (chosen["precision"], chosen["torch_env"], chosen["gpu"]) == (
        "autocast",
        "optimized",
        "cpu",
    )


@pytest.mark.parametrize(
    ("override", "upcast"),
    [
        ("attention=math", "default"), ("attention=flash", "false"),
        ("attention.upcast=true", "true"), ("attention=original", "true"),
    ],
)  # fmt: skip
def test_choices_name_what_attention_computes_in(
    compose_config: Compose, override: str, upcast: str
) -> None:
    overrides = ("gpu=cpu", "attention=math") if "." in override else ("gpu=cpu",)
    config = compose_config(*overrides, "model_version=sd2", override)
    assert choices(config)["upcast"] == upcast


def test_the_current_interpreter_is_found_without_importing_torch() -> None:
    found = find_interpreter(TorchEnvConfig(name="current"))
    assert isinstance(found, Interpreter)
    assert found.executable == sys.executable


def test_another_interpreter_is_asked_what_it_holds() -> None:
    found = find_interpreter(TorchEnvConfig(name="mine", python=sys.executable))
    assert found == find_interpreter(TorchEnvConfig(name="current"))


def test_an_interpreter_with_the_wrong_pytorch_is_refused_or_declared() -> None:
    wanted = TorchEnvConfig(name="future", requires_torch="9.9")
    assert "needs PyTorch 9.9.x" in str(find_interpreter(wanted))
    wanted.python = sys.executable
    with pytest.raises(ConfigError, match="name another interpreter"):
        find_interpreter(wanted)


def test_an_interpreter_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such interpreter, virtual environment"):
        find_interpreter(TorchEnvConfig(name="x", python="/no/such/python"))
    with pytest.raises(ConfigError, match="is not a working Python"):
        find_interpreter(TorchEnvConfig(name="x", python="/bin/false"))


@pytest.mark.parametrize("file", sorted((CONF_DIR / "preset").glob("*.yaml")))
def test_a_preset_as_it_is_bears_its_own_name(compose_config: Compose, file: Path) -> None:
    name = None if file.stem == "none" else file.stem
    config = compose_config(f"preset={file.stem}", "torch_env.requires_torch='2.15'")
    assert choices(config)["preset"] == name, "older versions lack a part of preset=fastest"


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("attention=math", "optimized with attention=math"),
        ("torch_env=current", "optimized with torch_env=current"),
        ("attention.disable_flash=true", "optimized with disabled=flash+cudnn"),
        ("precision=fp32", "optimized with precision=fp32"),
        ("model_version.unet.use_checkpoint=true", "optimized with checkpointing=true"),
        ("batch_size=4", "optimized"),
        (
            "preset=original_no_xformers attention.upcast=false",
            "original_no_xformers with upcast=false",
        ),
        ("preset=original_no_xformers model_version=sd1", "original_no_xformers"),
    ],
)
def test_a_preset_that_is_departed_from_says_so_in_its_name(
    compose_config: Compose, override: str, name: str
) -> None:
    config = compose_config("preset=optimized", *override.split())
    assert choices(config)["preset"] == name
