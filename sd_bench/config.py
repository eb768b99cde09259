"""The typed schema of the configuration, and every check that needs no torch.

The options themselves are the files in ``conf/``; this module says what they may hold. A worker
gets the resolved configuration as JSON and turns it into the same classes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import II, MISSING, DictConfig, OmegaConf

PREDICTIONS = ("eps", "v")
ATTENTION_BACKENDS = ("original", "xformers", "math", "mem_efficient", "flash", "cudnn", "auto")
#: The backends of scaled_dot_product_attention, which nn.MultiheadAttention chooses from.
SDPA_BACKENDS = ("math", "mem_efficient", "flash", "cudnn")
COMPILE_MODES = ("off", "default", "reduce_overhead", "max_autotune")
PRECISIONS = ("autocast", "fp16", "bf16", "fp32")
SAMPLERS = ("plms", "ddim", "dpm_solver")
#: The image is 8 times as wide as the latents, and the UNet halves those three times.
IMAGE_MULTIPLE = 64


class ConfigError(ValueError):
    """What a user asked for cannot be done; the message is one line that says what to do."""


@dataclass
class GpuDefaults:
    """The workload that suits a device; the class's own values are the published one."""

    height: int = II("model_version.native_size")
    width: int = II("model_version.native_size")
    steps: int = 50
    n_iter: int = 2
    rounds: int = 10
    warmup: int = 1
    warmup_unet_calls: int = 0
    precision: str = "autocast"


@dataclass
class GpuConfig:
    """A device's facts, from its datasheet, and the workload that suits it."""

    name: str = MISSING
    kind: str = MISSING
    device_names: list[str] = field(default_factory=list)
    compute_capability: str | None = None
    memory_gb: float | None = None
    bandwidth_gb_per_s: float | None = None
    peak_tflops: dict[str, float | None] = field(default_factory=dict)
    workload_defaults: GpuDefaults = field(default_factory=GpuDefaults)


@dataclass
class TorchEnvConfig:
    """Which interpreter runs the worker, and which PyTorch it has to hold (a version prefix)."""

    name: str = MISSING
    python: str | None = None
    requires_torch: str | None = None


@dataclass
class ScheduleConfig:
    num_timesteps: int = 1000
    linear_start: float = 0.00085
    linear_end: float = 0.0120


@dataclass
class UNetConfig:
    """The UNet's shape, in the words of the published configs.

    Exactly one of ``num_heads`` (sd1) and ``num_head_channels`` (sd2) is set.
    """

    in_channels: int = MISSING
    out_channels: int = MISSING
    model_channels: int = MISSING
    channel_mult: list[int] = MISSING
    num_res_blocks: int = MISSING
    attention_resolutions: list[int] = MISSING
    num_heads: int | None = None
    num_head_channels: int | None = None
    transformer_depth: int = MISSING
    context_dim: int = MISSING
    use_linear_in_transformer: bool = MISSING
    use_checkpoint: bool = False


@dataclass
class AutoencoderConfig:
    in_channels: int = MISSING
    out_ch: int = MISSING
    ch: int = MISSING
    ch_mult: list[int] = MISSING
    num_res_blocks: int = MISSING
    z_channels: int = MISSING
    embed_dim: int = MISSING
    attention: str = MISSING


@dataclass
class TextEncoderConfig:
    width: int = MISSING
    heads: int = MISSING
    layers: int = MISSING
    activation: str = MISSING
    vocab_size: int = MISSING
    context_length: int = MISSING
    pad_token: int = MISSING
    attention: str = MISSING


@dataclass
class ModelConfig:
    name: str = MISSING
    prediction: str = MISSING
    native_size: int = MISSING
    guidance: float = MISSING
    latent_scale: float = MISSING
    upcast_attention: bool = MISSING
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    text_encoder: TextEncoderConfig = field(default_factory=TextEncoderConfig)


@dataclass
class AttentionConfig:
    """How the UNet's attention modules compute. ``upcast`` is of the original code only."""

    backend: str = MISSING
    upcast: bool = False
    disable_math: bool = False
    disable_mem_efficient: bool = False
    disable_flash: bool = False
    disable_cudnn: bool = False

    @property
    def uses_multihead_attention(self) -> bool:
        """Whether nn.MultiheadAttention computes it, rather than the original CrossAttention."""
        return self.backend not in ("original", "xformers")

    @property
    def allowed_sdpa_backends(self) -> tuple[str, ...]:
        """The backends that scaled_dot_product_attention may choose from in the UNet."""
        named = SDPA_BACKENDS if self.backend == "auto" else (self.backend,)
        return tuple(b for b in named if b in SDPA_BACKENDS and not getattr(self, f"disable_{b}"))


@dataclass
class CompileConfig:
    mode: str = MISSING


@dataclass
class PrecisionConfig:
    name: str = MISSING


@dataclass
class SamplerConfig:
    name: str = MISSING
    steps: int = MISSING
    eta: float = 0.0


@dataclass
class WorkloadConfig:
    batch_size: int = MISSING
    prompt: str = "A photo"
    height: int = II("gpu.workload_defaults.height")
    width: int = II("gpu.workload_defaults.width")
    guidance: float = II("model_version.guidance")
    seed: int = 1


@dataclass
class ProtocolConfig:
    """How often a cell is measured.

    ``warmup`` counts untimed iterations before the ``n_iter`` timed ones, ``warmup_unet_calls``
    untimed UNet calls of the timed shapes. ``order_seed`` shuffles the cells within a round.
    """

    name: str = MISSING
    rounds: int = MISSING
    n_iter: int = MISSING
    warmup: int = MISSING
    warmup_unet_calls: int = MISSING
    order_seed: int = 0
    time_limit_s: float | None = None


@dataclass
class ConfigurationConfig:
    """A named bundle of choices; ``bundle`` repeats them, so that a departure can be told."""

    name: str | None = None
    bundle: dict[str, str] = field(default_factory=dict)


@dataclass
class Config:
    """Every choice of one cell, and how the command behaves."""

    gpu: GpuConfig = field(default_factory=GpuConfig)
    torch_env: TorchEnvConfig = field(default_factory=TorchEnvConfig)
    model_version: ModelConfig = field(default_factory=ModelConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    compile: CompileConfig = field(default_factory=CompileConfig)
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    workload: WorkloadConfig = field(default_factory=WorkloadConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    configuration: ConfigurationConfig = field(default_factory=ConfigurationConfig)
    experiment: str | None = None
    weights: str = "random"
    weights_seed: int = 0
    images: bool = True
    time_file: str | None = None
    plan: bool = False
    traceback: bool = False


def from_hydra(composed: DictConfig) -> Config:
    """Resolve what Hydra composed. Raises OmegaConf's errors for wrong names and types."""
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    return config


def from_dict(data: dict[str, Any]) -> Config:
    """The inverse of ``to_dict``."""
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), data))
    assert isinstance(config, Config)
    return config


def to_dict(config: Config) -> dict[str, Any]:
    """Plain containers, ready for JSON."""
    return dataclasses.asdict(config)


def check(config: Config) -> None:
    """Refuse what no machine can run. Raises ConfigError with one line that says what to do."""
    _check_names(config)
    _check_counts(config)
    _check_sizes(config)
    _check_unet(config.model_version)
    _check_sampler(config)
    if config.attention.upcast and config.attention.backend != "original":
        raise ConfigError(
            f"attention.upcast=true: {config.attention.backend} has no upcast, only original has"
        )
    if config.attention.uses_multihead_attention and not config.attention.allowed_sdpa_backends:
        raise ConfigError(
            f"attention={config.attention.backend}: every backend is disabled; "
            "drop one of the attention.disable_* values"
        )
    if config.weights != "random":
        raise ConfigError(f"weights={config.weights}: only weights=random is known")
    if config.time_file is not None and not Path(config.time_file).absolute().parent.is_dir():
        raise ConfigError(f"time_file={config.time_file}: its folder does not exist; make it first")


def _check_names(config: Config) -> None:
    for name, value, allowed in (
        ("gpu.kind", config.gpu.kind, ("cuda", "cpu")),
        ("attention.backend", config.attention.backend, ATTENTION_BACKENDS),
        ("compile.mode", config.compile.mode, COMPILE_MODES),
        ("precision.name", config.precision.name, PRECISIONS),
        ("sampler.name", config.sampler.name, SAMPLERS),
        ("model_version.prediction", config.model_version.prediction, PREDICTIONS),
        (
            "model_version.text_encoder.activation",
            config.model_version.text_encoder.activation,
            ("gelu", "quick_gelu"),
        ),
        (
            "model_version.autoencoder.attention",
            config.model_version.autoencoder.attention,
            ("unfused",),
        ),
        (
            "model_version.text_encoder.attention",
            config.model_version.text_encoder.attention,
            SDPA_BACKENDS,
        ),
    ):
        if value not in allowed:
            raise ConfigError(f"{name}={value}: use one of {', '.join(allowed)}")


def _check_counts(config: Config) -> None:
    workload, protocol = config.workload, config.protocol
    for name, value, least in (
        ("workload.batch_size", workload.batch_size, 1),
        ("workload.seed", workload.seed, 0),
        ("weights_seed", config.weights_seed, 0),
        ("sampler.steps", config.sampler.steps, 1),
        ("protocol.rounds", protocol.rounds, 1),
        ("protocol.n_iter", protocol.n_iter, 1),
        ("protocol.warmup", protocol.warmup, 0),
        ("protocol.warmup_unet_calls", protocol.warmup_unet_calls, 0),
    ):
        if value < least:
            raise ConfigError(f"{name}={value}: must be at least {least}")
    if protocol.time_limit_s is not None and protocol.time_limit_s <= 0:
        raise ConfigError(f"protocol.time_limit_s={protocol.time_limit_s}: must be above 0 seconds")
    if not 0 <= config.sampler.eta <= 1:
        raise ConfigError(f"sampler.eta={config.sampler.eta}: must be between 0 and 1")


def _check_sizes(config: Config) -> None:
    for name in ("height", "width"):
        pixels = getattr(config.workload, name)
        if pixels < IMAGE_MULTIPLE or pixels % IMAGE_MULTIPLE:
            raise ConfigError(
                f"workload.{name}={pixels}: must be a multiple of {IMAGE_MULTIPLE} pixels"
            )


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
    """Whether range(0, num_timesteps, num_timesteps // steps) + 1 has exactly ``steps`` entries.

    Those are the timesteps of the published DDIM and PLMS code, all of them in the schedule.
    """
    if steps > num_timesteps:
        return False
    timesteps = range(0, num_timesteps, num_timesteps // steps)
    return len(timesteps) == steps and timesteps[-1] + 1 < num_timesteps


def scaled_sentences(config: Config) -> list[str]:
    """How the workload is smaller than the published one, in plain sentences; empty if it is not.

    The published one is a 50-step image of the model's native size, two timed iterations after
    one warm-up iteration, under autocast.
    """
    published = GpuDefaults()
    size, workload, protocol = config.model_version.native_size, config.workload, config.protocol
    sentences = []
    if workload.height * workload.width < size * size:
        sentences.append(
            f"image {workload.width}x{workload.height} instead of {size}x{size} pixels"
        )
    if config.sampler.steps < published.steps:
        sentences.append(f"{config.sampler.steps} sampler steps instead of {published.steps}")
    if protocol.n_iter < published.n_iter:
        sentences.append(f"{protocol.n_iter} timed iteration(s) instead of {published.n_iter}")
    if protocol.warmup < published.warmup:
        sentences.append(
            f"warm-up of {protocol.warmup_unet_calls} UNet call(s) instead of a whole iteration"
        )
    if protocol.rounds < published.rounds:
        sentences.append(f"{protocol.rounds} round(s) instead of {published.rounds}")
    if config.precision.name != published.precision:
        sentences.append(
            f"precision {config.precision.name} instead of {published.precision} (fp16)"
        )
    if workload.height * workload.width < 256 * 256:
        sentences.append(
            "at this size attention is a small share of the time: its backends can hardly be "
            "told apart (experiment=cpu_attention shows them on a CPU)"
        )
    return sentences
