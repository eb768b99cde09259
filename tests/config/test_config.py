"""The configuration: every option composes, precedence holds, mistakes are one-line errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf.errors import OmegaConfBaseException

from sd_bench.config.budget import budget_s
from sd_bench.config.checks import check
from sd_bench.config.conversion import from_dict, to_dict
from sd_bench.config.scaling import scaled_sentences
from sd_bench.errors import ConfigError
from sd_bench.paths import CONF_DIR
from tests.support.composition import Compose

OPTIONS = sorted(
    (file.parent.name, file.stem)
    for file in CONF_DIR.glob("*/*.yaml")
    if file.parent.name != "hydra"
)


@pytest.mark.slow
@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_of_every_group_composes_and_passes_the_checks(
    compose_config: Compose, group: str, option: str
) -> None:
    needs_v = option.startswith("sd2_768")
    config = compose_config(f"{group}={option}", *(["sampler=ddim"] if needs_v else []))
    check(config)
    assert from_dict(to_dict(config)) == config


def test_the_groups_are_those_of_the_design() -> None:
    groups = {group for group, _ in OPTIONS}
    assert groups == {
        "gpu", "batch_size", "attention", "compile", "model_version", "sampler", "precision",
        "protocol", "torch_env", "preset", "experiment", "scale", "allocator",
        "implementation", "optimizations", "cluster",
    }  # fmt: skip


@pytest.mark.slow
def test_command_line_beats_experiment_beats_preset_beats_protocol_beats_gpu(
    compose_config: Compose,
) -> None:
    gpu = compose_config("gpu=cpu")
    assert (gpu.protocol.n_iter, gpu.sampler.steps, gpu.workload.height) == (1, 4, 128)
    protocol = compose_config("gpu=cpu", "protocol=published")
    assert (protocol.protocol.n_iter, protocol.protocol.rounds) == (2, 10)
    assert protocol.sampler.steps == 4  # what the protocol does not set is set by the gpu
    preset = compose_config("gpu=cpu", "preset=optimized_math")
    assert (gpu.precision.name, preset.precision.name) != ("autocast", "bf16")
    assert preset.precision.name == "autocast"
    assert preset.attention.backend == "math"
    scaled = compose_config("gpu=cpu", "scale=large")
    assert (scaled.sampler.steps, scaled.workload.height) == (2, 256)
    assert compose_config("gpu=cpu", "scale=large", "workload.height=64").workload.height == 64
    experiment = compose_config("experiment=cpu_attention")
    assert (experiment.workload.height, experiment.gpu.name) == (256, "cpu")
    assert experiment.protocol.rounds is None  # as many rounds as the verdicts need
    typed = compose_config(
        "experiment=cpu_attention", "preset=optimized_math", "attention=flash",
        "precision=fp32", "workload.height=64", "protocol.rounds=1",
    )  # fmt: skip
    assert typed.workload.height == 64
    assert typed.protocol.rounds == 1
    assert typed.attention.backend == "flash"
    assert typed.precision.name == "fp32"
    assert typed.preset.name == "optimized_math"


def test_preset_beats_protocol(compose_config: Compose, tmp_path: Path) -> None:
    """No shipped preset and protocol set the same value, so the test makes one."""
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset" / "eager.yaml").write_text(
        "# @package _global_\npreset:\n  name: eager\nprotocol:\n  rounds: 5\n"
    )
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "seven.yaml").write_text(
        "# @package _global_\nexperiment: seven\nprotocol:\n  rounds: 7\n"
    )
    chosen = [
        f"hydra.searchpath=[file://{tmp_path}]", "protocol=published", "preset=eager"
    ]  # fmt: skip
    assert compose_config(*chosen).protocol.rounds == 5
    assert compose_config(*chosen, "experiment=seven").protocol.rounds == 7
    assert compose_config(*chosen, "experiment=seven", "protocol.rounds=9").protocol.rounds == 9


def test_a_gpu_runs_the_published_workload(compose_config: Compose) -> None:
    config = compose_config("gpu=a100", "batch_size=4")
    assert (config.workload.height, config.workload.width) == (512, 512)
    assert (config.sampler.name, config.sampler.steps) == ("plms", 50)
    assert (config.workload.guidance_scale, config.prompt) == (9.0, "A photo")
    assert (config.workload.seed, config.workload.batch_size) == (1, 4)
    assert (config.protocol.n_iter, config.protocol.warmup) == (2, 1)
    protocol = config.protocol
    assert (protocol.rounds, protocol.min_rounds, protocol.max_rounds) == (None, 6, 30)
    assert budget_s(protocol) == 1800
    assert config.precision.name == "autocast"
    assert scaled_sentences(config) == []


def test_a_cpu_scales_the_workload_and_never_the_networks(compose_config: Compose) -> None:
    config, full = compose_config("gpu=cpu"), compose_config("gpu=a100")
    assert config.model_version == full.model_version
    sentences = " ".join(scaled_sentences(config))
    for words in ("128x128 instead of 512x512", "4 sampler steps", "backends hardly differ"):
        assert words in sentences


def test_sd1_has_its_own_guidance_and_size(compose_config: Compose) -> None:
    assert compose_config("gpu=t4", "model_version=sd1").workload.guidance_scale == 7.5
    large = compose_config("gpu=t4", "model_version=sd2_768", "sampler=ddim")
    assert large.workload.height == 768


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["workload.batch_size=-1"], "workload.batch_size=-1: must be at least 1"),
        (["workload.height=100"], "workload.height=100: must be a multiple of 64"),
        (["workload.width=0"], "workload.width=0"),
        (["model_version=sd2_768"], "use sampler=ddim or sampler=dpm_solver"),
        (
            ["sampler.steps=30"],
            "do not divide into that many; the nearest that do: 8, 10, 20, 25, 40",
        ),
        (["sampler.steps=0"], "sampler.steps=0: must be at least 1"),
        (["sampler.eta=0.5"], "only sampler=ddim has an eta"),
        (["sampler=ddim", "sampler.eta=2"], "must be between 0 and 1"),
        (["attention=math", "attention.disable_math=true"], "every backend is disabled"),
        (["attention.backend=magic"], "use one of original, xformers, flex, math"),
        (["precision.name=fp8"], "use one of autocast, fp16, bf16, fp32"),
        (["protocol.n_iter=0"], "protocol.n_iter=0: must be at least 1"),
        (["protocol.budget=soon"], "protocol.budget=soon: write 270s, 30min, 2h, or null"),
        (["protocol.budget=0"], "protocol.budget=0: write 270s"),
        (["protocol.budget=-5s"], "protocol.budget=-5s: write 270s"),
        (["protocol.budget=true"], "protocol.budget=True: write 270s"),
        (["protocol.min_rounds=40"], "must be at most protocol.max_rounds=30"),
        (["more_rounds=3"], "give resume=true hydra.sweep.dir=FOLDER too"),
        (["protocol.min_rounds=0"], "protocol.min_rounds=0: must be at least 1"),
        (["protocol.time_limit_s=0"], "must be above 0 seconds"),
        (["model_version.unet.num_heads=8"], "set exactly one of num_heads and num_head_channels"),
        (["model_version.unet.model_channels=100"], "do not divide into heads"),
        (["model_version.unet.context_dim=8"], "make them equal"),
        (["time_file=/nowhere/at/all/times.txt"], "its folder does not exist"),
        (
            ["model_version.unet.channel_mult=[]"],
            "unet.channel_mult: must be numbers of at least 1",
        ),
        (["model_version.unet.channel_mult=[1,0]"], "must be numbers of at least 1"),
        (["model_version.unet.num_head_channels=0"], "num_head_channels: must be numbers"),
        (["model_version.text_encoder.heads=5"], "must divide the width 1024"),
        (["model_version.latent_scale=0"], "must be above 0"),
        (["workload.guidance_scale=nan"], "workload.guidance_scale=nan: must be a finite number"),
        (["gpu.memory_gb=nan"], "gpu.memory_gb=nan: must be a finite number"),
        (["model_version.schedule.linear_start=inf"], "must be a finite number"),
        (["model_version.schedule.linear_start=2"], "betas must rise"),
        (["model_version.unet.in_channels=9"], "latents have 4"),
        (["model_version.autoencoder.embed_dim=0"], "latents have 4"),
        (["model_version.text_encoder.vocab_size=0"], "must be numbers of at least 1"),
        (["model_version.text_encoder.pad_token=99999999"], "below the vocabulary's 49408"),
        (["workload.seed=18446744073709551616"], "must be at most"),
        (["prompt=[]"], "prompt: write a string, or a list of strings"),
    ],
)
def test_nonsense_is_refused_in_one_line_that_says_what_to_do(
    compose_config: Compose, overrides: list[str], words: str
) -> None:
    config = compose_config("gpu=cpu", *overrides)
    with pytest.raises(ConfigError) as refused:
        check(config)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "override",
    [
        "workload.batch_size=many",
        "workload.typo=1",
        "sampler.steps=4.5",
        "dry_run=maybe",
        "workload.batch_size=null",
        "+new=1",
        "+workload.new=1",
    ],
)
def test_wrong_types_and_unknown_names_do_not_compose(
    compose_config: Compose, override: str
) -> None:
    with pytest.raises((ConfigCompositionException, OmegaConfBaseException, ConfigError)):
        compose_config(override)


def test_disable_flags_leave_the_other_backends(compose_config: Compose) -> None:
    config = compose_config("attention.disable_flash=true", "attention.disable_cudnn=true")
    assert config.attention.allowed_sdpa_backends == ("math", "mem_efficient")
    assert compose_config("attention=flash").attention.allowed_sdpa_backends == ("flash",)
    assert compose_config("attention=original").attention.allowed_sdpa_backends == ()
