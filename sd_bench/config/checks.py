"""Every check of a configuration that needs no torch: refuses what no machine can run."""

from __future__ import annotations

import math
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

from sd_bench.config.budget import budget_s
from sd_bench.config.conversion import to_dict
from sd_bench.config.schema import (
    ATTENTION_BACKENDS,
    COMPILE_MODES,
    IMAGE_MULTIPLE,
    LATENT_CHANNELS,
    PRECISIONS,
    SDPA_BACKENDS,
    WORKERS,
    Config,
    ModelConfig,
)
from sd_bench.errors import ConfigError
from sd_bench.regular_files import what_else

#: Seeds of a cell's images count up from the first, and PyTorch's have 64 bits.
LARGEST_SEED = 2**62
LONGEST_LIMIT_S = 1_000_000
#: No machine has the memory for a larger batch, or for a network with more of anything.
LARGEST_COUNT = 2**20
#: Height and width in pixels: their product must fit into PyTorch's 64-bit sizes.
LARGEST_SIZE = 2**40

_ALLOWED: dict[str, tuple[str, ...]] = {
    "gpu.kind": ("cuda", "cpu", "rocm", "mps", "xpu"),
    "attention.backend": ATTENTION_BACKENDS,
    "compile.mode": COMPILE_MODES,
    "precision.name": PRECISIONS,
    "sampler.name": ("plms", "ddim", "dpm_solver"),
    "protocol.worker": WORKERS,
    "model_version.prediction": ("eps", "v"),
    "model_version.text_encoder.activation": ("gelu", "quick_gelu"),
    "model_version.text_encoder.library": ("transformers", "open_clip"),
    "model_version.text_encoder.attention": SDPA_BACKENDS,
    "model_version.autoencoder.attention": ("unfused",),
}
_LEAST = {
    "workload.batch_size": 1,
    "workload.seed": 0,
    "weights_seed": 0,
    "sampler.steps": 1,
    "protocol.rounds": 1,
    "protocol.min_rounds": 1,
    "protocol.max_rounds": 1,
    "more_rounds": 0,
    "protocol.n_iter": 1,
    "protocol.warmup": 0,
    "protocol.warmup_unet_calls": 0,
}
#: The smallest values of numbers, and in lists of numbers; null means not set.
_LEAST_OF_MODEL = {
    "native_size": 1,
    "schedule.num_timesteps": 2,
    "unet.model_channels": 1,
    "unet.channel_mult": 1,
    "unet.num_res_blocks": 1,
    "unet.transformer_depth": 1,
    "unet.num_heads": 1,
    "unet.num_head_channels": 1,
    "autoencoder.ch": 1,
    "autoencoder.ch_mult": 1,
    "autoencoder.num_res_blocks": 1,
    "autoencoder.z_channels": 1,
    "text_encoder.layers": 1,
    "text_encoder.heads": 1,
    "text_encoder.context_length": 2,
    "text_encoder.vocab_size": 1,
}


def check(config: Config) -> None:
    """Refuse what no machine can run. Raises ConfigError with one line that says what to do."""
    _check_names(config)
    _check_finite("", to_dict(config))
    _check_counts(config)
    _check_gpus(config)
    _check_threads(config)
    _check_model_numbers(config.model_version)
    _check_sizes(config)
    _check_unet(config.model_version)
    _check_sampler(config)
    if config.attention.upcast and not config.attention.may_be_unfused:
        raise ConfigError(
            f"attention.upcast=true: {config.attention.backend} has no upcast; only original, "
            "math and auto do"
        )
    attention = config.attention
    has_default = attention.uses_multihead_attention or not attention.may_be_unfused
    if attention.upcast is None and not has_default:
        raise ConfigError(
            f"attention.upcast=null: {attention.backend} has no default; use true or false"
        )
    if config.attention.uses_multihead_attention and not config.attention.allowed_sdpa_backends:
        raise ConfigError(
            f"attention={config.attention.backend}: every backend is disabled; "
            "drop one of the attention.disable_* values"
        )
    prompts = config.prompts if isinstance(config.prompt, (str, list)) else [config.prompt]
    if not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise ConfigError(
            'prompt: write a string, or a list of strings as in \'prompt=["a cat","a dog"]\''
        )
    if any(
        "\ud800" <= letter <= "\udfff" for letter in "".join([*prompts, config.negative_prompt])
    ):
        raise ConfigError(
            "prompt: contains characters that this locale cannot read; set PYTHONUTF8=1, or "
            "write the prompts into a file (prompt_file=FILE)"
        )
    if config.time_file is not None and (kind := what_else(Path(config.time_file))) is not None:
        raise ConfigError(f"time_file={config.time_file}: is {kind}; name a file")
    if config.time_file is not None and not Path(config.time_file).absolute().parent.is_dir():
        raise ConfigError(f"time_file={config.time_file}: its folder does not exist; make it first")


def _check_names(config: Config) -> None:
    for name, allowed in _ALLOWED.items():
        value = attrgetter(name)(config)
        if value not in allowed:
            raise ConfigError(f"{name}={value}: use one of {', '.join(allowed)}")


def _check_finite(name: str, value: Any) -> None:
    """Raise ConfigError if a value is NaN or infinite, which no record could hold."""
    if isinstance(value, dict):
        for key, entry in value.items():
            _check_finite(f"{name}.{key}".lstrip("."), entry)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name}={value}: must be a finite number")


def _check_counts(config: Config) -> None:
    workload, protocol = config.workload, config.protocol
    for name, least in _LEAST.items():
        value = attrgetter(name)(config)
        if value is None:
            continue
        if value < least:
            raise ConfigError(f"{name}={value}: must be at least {least}")
        if value > LARGEST_COUNT and not name.endswith("seed"):
            raise ConfigError(f"{name}={value}: must be at most {LARGEST_COUNT}")
    if protocol.min_rounds > protocol.max_rounds:
        raise ConfigError(
            f"protocol.min_rounds={protocol.min_rounds}: must be at most protocol.max_rounds="
            f"{protocol.max_rounds}"
        )
    budget_s(protocol)
    if config.more_rounds and not config.resume:
        raise ConfigError(
            f"more_rounds={config.more_rounds}: adds to an existing sweep; give resume=true "
            "hydra.sweep.dir=FOLDER too"
        )
    limit_s = protocol.time_limit_s
    if limit_s is not None and not 0 < limit_s <= LONGEST_LIMIT_S:
        raise ConfigError(
            f"protocol.time_limit_s={limit_s}: must be above 0 seconds, at most {LONGEST_LIMIT_S}"
        )
    if max(workload.seed, config.weights_seed) > LARGEST_SEED:
        raise ConfigError(f"workload.seed, weights_seed: must be at most {LARGEST_SEED}")
    if not 0 <= config.sampler.eta <= 1:
        raise ConfigError(f"sampler.eta={config.sampler.eta}: must be between 0 and 1")


def _check_gpus(config: Config) -> None:
    if config.num_gpus != "all" and not re.fullmatch(r"[1-9]\d{0,3}", config.num_gpus):
        raise ConfigError(f"num_gpus={config.num_gpus}: use all, or a number from 1")
    for pattern in config.gpu.device_names:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(
                f"gpu.device_names: {pattern!r} is not a regular expression ({error})"
            ) from None


def _check_threads(config: Config) -> None:
    count = config.threads.count
    if not re.fullmatch(r"auto|cores|[1-9]\d{0,4}", count):
        raise ConfigError(f"threads={count}: use auto, cores, or a number from 1")
    if config.threads.pinned and config.num_gpus != "1":
        raise ConfigError(
            f"threads.pinned=true: num_gpus={config.num_gpus} would bind threads of several rounds "
            "to the same processors; use num_gpus=1"
        )


def _check_model_numbers(model: ModelConfig) -> None:
    unet, text, autoencoder = model.unet, model.text_encoder, model.autoencoder
    for name, least in _LEAST_OF_MODEL.items():
        value = attrgetter(name)(model)
        values = value if isinstance(value, list) else [least if value is None else value]
        if not values or min(values) < least or max(values) > LARGEST_COUNT:
            raise ConfigError(
                f"model_version.{name}: must be numbers of at least {least}, "
                f"at most {LARGEST_COUNT}"
            )
    if text.width % text.heads:
        raise ConfigError(
            f"model_version.text_encoder.heads={text.heads}: must divide the width {text.width}"
        )
    for name, channels in (
        ("unet.in_channels", unet.in_channels),
        ("unet.out_channels", unet.out_channels),
        ("autoencoder.embed_dim", autoencoder.embed_dim),
    ):
        if channels != LATENT_CHANNELS:
            raise ConfigError(f"model_version.{name}={channels}: latents have {LATENT_CHANNELS}")
    if not 0 <= text.pad_token < text.vocab_size:
        raise ConfigError(
            f"model_version.text_encoder.pad_token={text.pad_token}: must be below the "
            f"vocabulary's {text.vocab_size}"
        )
    start, end = model.schedule.linear_start, model.schedule.linear_end
    if not 0 < start <= end < 1:
        raise ConfigError(
            f"model_version.schedule: linear_start={start}, linear_end={end}; betas must rise "
            "between 0 and 1"
        )
    if not model.latent_scale > 0:
        raise ConfigError(f"model_version.latent_scale={model.latent_scale}: must be above 0")


def _check_sizes(config: Config) -> None:
    for name in ("height", "width"):
        pixels = getattr(config.workload, name)
        if pixels < IMAGE_MULTIPLE or pixels % IMAGE_MULTIPLE:
            raise ConfigError(
                f"workload.{name}={pixels}: must be a multiple of {IMAGE_MULTIPLE} pixels"
            )
        if pixels > LARGEST_SIZE:
            raise ConfigError(f"workload.{name}={pixels}: must be at most {LARGEST_SIZE} pixels")


def _check_unet(model: ModelConfig) -> None:
    unet = model.unet
    if (unet.num_heads is None) == (unet.num_head_channels is None):
        raise ConfigError(
            "model_version.unet: set exactly one of num_heads and num_head_channels, "
            "the other to null"
        )
    for level, multiplier in enumerate(unet.channel_mult):
        channels = unet.model_channels * multiplier
        divisor = unet.num_heads or unet.num_head_channels
        if 2**level in unet.attention_resolutions and divisor and channels % divisor:
            raise ConfigError(
                f"model_version.unet: {channels} channels do not divide into heads by {divisor}"
            )
        if channels % 32:
            raise ConfigError(
                f"model_version.unet: {channels} channels; GroupNorm needs a multiple of 32"
            )
    if unet.context_dim != model.text_encoder.width:
        raise ConfigError(
            f"model_version.unet.context_dim={unet.context_dim} differs from "
            f"model_version.text_encoder.width={model.text_encoder.width}: make them equal"
        )


def _check_sampler(config: Config) -> None:
    name, steps = config.sampler.name, config.sampler.steps
    num_timesteps = config.model_version.schedule.num_timesteps
    if name == "plms" and config.model_version.prediction == "v":
        raise ConfigError(
            f"sampler=plms cannot sample model_version={config.model_version.name} "
            "(v-prediction): use sampler=ddim or sampler=dpm_solver"
        )
    if name in ("plms", "ddim") and not uniform_steps_fit(steps, num_timesteps):
        allowed = [n for n in range(1, num_timesteps) if uniform_steps_fit(n, num_timesteps)]
        nearest = sorted(sorted(allowed, key=lambda n: abs(n - steps))[:6])
        raise ConfigError(
            f"sampler.steps={steps}: {name}'s {num_timesteps} timesteps do not divide into that "
            f"many; the nearest that do: {', '.join(map(str, nearest))}"
        )
    if name == "dpm_solver" and steps >= num_timesteps:
        raise ConfigError(f"sampler.steps={steps}: must be below {num_timesteps} timesteps")
    if name != "ddim" and config.sampler.eta != 0:
        raise ConfigError(f"sampler.eta={config.sampler.eta}: only sampler=ddim has an eta")


def uniform_steps_fit(steps: int, num_timesteps: int) -> bool:
    """Whether the timesteps of the published DDIM and PLMS code are ``steps`` many.

    They are range(0, num_timesteps, num_timesteps // steps) + 1, and must be in the schedule.
    """
    if steps > num_timesteps:
        return False
    timesteps = range(0, num_timesteps, num_timesteps // steps)
    return len(timesteps) == steps and timesteps[-1] + 1 < num_timesteps
