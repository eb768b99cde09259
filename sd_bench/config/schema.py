"""The typed schema of the configuration.

The options themselves are the files in ``conf/``; this module defines what they may hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import II, MISSING

from sd_bench.attention_backends import BACKENDS, BACKENDS_BY_NAME

ATTENTION_BACKENDS = tuple(backend.name for backend in BACKENDS)
#: The backends of scaled_dot_product_attention, which nn.MultiheadAttention chooses from.
SDPA_BACKENDS = tuple(backend.name for backend in BACKENDS if backend.sdpa_switch)
COMPILE_MODES = ("off", "default", "reduce_overhead", "max_autotune")
#: A round's process: a fresh interpreter, or a fork of a server that has imported everything.
WORKERS = ("spawn", "fork")
#: The name of this project's implementation.
OUR_IMPLEMENTATION = "sd_bench"
PRECISIONS = ("autocast", "fp16", "bf16", "fp32")
#: The published prompt.
DEFAULT_PROMPT = "A photo"
#: The value of ``weights`` if they do not come from a file.
RANDOM_WEIGHTS = "random"
#: Latents are an eighth as wide as the image, and the UNet halves them three times.
IMAGE_MULTIPLE = 64
LATENT_CHANNELS = 4


@dataclass
class GpuDefaults:
    """The default workload of a device; the values here are the published workload."""

    height: int = II("model_version.native_size")
    width: int = II("model_version.native_size")
    steps: int = 50
    n_iter: int = 2
    budget: str = "30min"
    warmup: int = 1
    warmup_unet_calls: int = 0
    precision: str = "autocast"
    allocator: str = "default"
    worker: str = "spawn"


@dataclass
class SchedulingConfig:
    """How a scheduler finds a node with the device.

    ``gres`` and ``constraint`` are sbatch's, ``accelerator_type`` is Ray's name of the device.
    ``None`` means that there is no such requirement.
    """

    gres: str | None = None
    constraint: str | None = None
    accelerator_type: str | None = None


@dataclass
class GpuConfig:
    """A device's specifications, from its datasheet, and its default workload."""

    name: str = MISSING
    kind: str = MISSING
    device_names: list[str] = field(default_factory=list)
    compute_capability: str | None = None
    memory_gb: float | None = None
    bandwidth_gb_per_s: float | None = None
    peak_tflops: dict[str, float | None] = field(default_factory=dict)
    workload_defaults: GpuDefaults = field(default_factory=GpuDefaults)
    scheduling: SchedulingConfig = field(default_factory=SchedulingConfig)


@dataclass
class TorchEnvConfig:
    """Which interpreter runs the worker, and which PyTorch it must have (a version prefix)."""

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
    """The UNet's dimensions, with the names of the published configs.

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

    @property
    def head_widths(self) -> list[int]:
        """The widths of the attention heads, ascending."""
        if self.num_head_channels is not None:
            return [self.num_head_channels]
        assert self.num_heads is not None
        channels = {self.model_channels * multiplier for multiplier in self.channel_mult}
        return sorted(width // self.num_heads for width in channels)


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
    """The text encoder's dimensions; ``library`` is the one that the model was published with."""

    width: int = MISSING
    heads: int = MISSING
    layers: int = MISSING
    activation: str = MISSING
    vocab_size: int = MISSING
    context_length: int = MISSING
    library: str = MISSING
    pad_token: int = MISSING
    attention: str = MISSING


@dataclass
class ModelConfig:
    name: str = MISSING
    prediction: str = MISSING
    native_size: int = MISSING
    guidance_scale: float = MISSING
    latent_scale: float = MISSING
    upcast_attention: bool = MISSING
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    text_encoder: TextEncoderConfig = field(default_factory=TextEncoderConfig)


@dataclass
class AttentionConfig:
    """How the UNet's attention modules compute.

    ``upcast`` is whether unfused attention computes products and softmax of half-precision inputs
    in fp32; ``None`` leaves it to PyTorch. It must be false for a fused backend.
    """

    backend: str = MISSING
    upcast: bool | None = False
    disable_math: bool = False
    disable_mem_efficient: bool = False
    disable_flash: bool = False
    disable_cudnn: bool = False

    @property
    def uses_multihead_attention(self) -> bool:
        """Whether nn.MultiheadAttention computes attention, not the original CrossAttention."""
        return BACKENDS_BY_NAME[self.backend].module == "MultiheadAttention"

    @property
    def may_be_unfused(self) -> bool:
        """Whether the backend is unfused or may choose one that is, so that ``upcast`` matters."""
        return BACKENDS_BY_NAME[self.backend].may_be_unfused

    @property
    def allowed_sdpa_backends(self) -> tuple[str, ...]:
        """The backends that scaled_dot_product_attention may choose from in the UNet."""
        named = SDPA_BACKENDS if self.backend == "auto" else (self.backend,)
        return tuple(b for b in named if b in SDPA_BACKENDS and b not in self.disabled)

    @property
    def disabled(self) -> tuple[str, ...]:
        """The backends that are switched off; only those with a ``disable_`` field can be."""
        return tuple(b for b in SDPA_BACKENDS if getattr(self, f"disable_{b}", False))


@dataclass
class CompileConfig:
    mode: str = MISSING

    @property
    def records_cuda_graphs(self) -> bool:
        """Whether torch.compile uses CUDA graphs in this mode, on a CUDA device."""
        return self.mode in ("reduce_overhead", "max_autotune")


@dataclass
class ImplementationConfig:
    """Which networks draw the images: this project's, or a peer's with the same weights."""

    name: str = MISSING


@dataclass
class OptimizationsConfig:
    """Switches that may make a cell faster, besides the other axes; each is off by default.

    ``channels_last`` stores the tensors of all networks with channels last, ``fused_projections``
    computes q, k and v in one product, ``freezing`` lets torch.compile treat weights as constants,
    ``regional_compile`` compiles each transformer block of the UNet instead of the whole UNet,
    ``compiled_decoder`` and ``compiled_text_encoder`` compile these networks too,
    ``cuda_graph`` records the kernels of a UNet call once and replays them.

    Only this project's networks have these: ``packed_weights`` lays weights out once for oneDNN,
    ``fused_epilogues`` lets oneDNN's products add residuals and multiply gates,
    ``matmul_convolutions`` computes convolutions of small inputs as matrix products,
    ``cached_prompt`` projects the prompt's keys and values once per image, ``cached_timesteps`` the
    embeddings of all steps, and ``sliced_decoding`` decodes one image of a batch at a time.
    """

    channels_last: bool = False
    fused_projections: bool = False
    freezing: bool = False
    regional_compile: bool = False
    compiled_decoder: bool = False
    compiled_text_encoder: bool = False
    cuda_graph: bool = False
    packed_weights: bool = False
    fused_epilogues: bool = False
    matmul_convolutions: bool = False
    cached_prompt: bool = False
    cached_timesteps: bool = False
    sliced_decoding: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The optimizations that are on."""
        return tuple(name for name, is_on in vars(self).items() if is_on)


@dataclass
class PrecisionConfig:
    name: str = MISSING


@dataclass
class AllocatorConfig:
    """The allocator of host memory in a round's process.

    ``library`` is preloaded (``None``: the C library's allocator is used), ``variables`` are set
    before the process starts.
    """

    name: str = MISSING
    library: str | None = None
    variables: dict[str, str] = field(default_factory=dict)


@dataclass
class ThreadsConfig:
    """The threads that compute on the CPU in a round's process.

    ``count`` is a number, ``cores`` (one per core that the process may use), or ``auto`` (PyTorch's
    default). ``pinned`` binds each thread to a different processor, on different cores as far as
    possible.
    """

    count: str = "auto"
    pinned: bool = False

    @property
    def name(self) -> str:
        """The choice as one word: ``auto``, ``2``, ``2 pinned``."""
        return f"{self.count} pinned" if self.pinned else self.count


@dataclass
class SamplerConfig:
    name: str = MISSING
    steps: int = MISSING
    eta: float = 0.0


@dataclass
class WorkloadConfig:
    batch_size: int = MISSING
    height: int = II("gpu.workload_defaults.height")
    width: int = II("gpu.workload_defaults.width")
    guidance_scale: float = II("model_version.guidance_scale")
    seed: int = 1


@dataclass
class ProtocolConfig:
    """How many rounds of a cell are measured, and how.

    ``rounds`` is their number; with ``None`` the verdicts decide, from ``min_rounds`` to
    ``max_rounds``, as many as fit into the sweep's ``budget`` ("270s", "30min", a number of
    seconds, or ``None`` for no limit). ``retry_disturbed`` repeats a round that other processes on
    the machine disturbed. ``warmup`` is the number of untimed iterations before the ``n_iter``
    timed ones, ``warmup_unet_calls`` that of untimed UNet calls with the timed shapes.
    ``order_seed`` seeds the order of cells within a round. ``time_limit_s`` is the limit of a
    round in seconds. ``worker`` is how a round's process is started.
    """

    name: str = MISSING
    rounds: int | None = MISSING
    min_rounds: int = 6
    max_rounds: int = 30
    budget: Any = None
    retry_disturbed: bool = False
    n_iter: int = MISSING
    warmup: int = MISSING
    warmup_unet_calls: int = MISSING
    order_seed: int = 0
    time_limit_s: float | None = None
    worker: str = II("gpu.workload_defaults.worker")


@dataclass
class PresetConfig:
    """A named bundle of choices; ``bundle`` repeats them, so that deviations can be reported."""

    name: str | None = None
    bundle: dict[str, str] = field(default_factory=dict)


@dataclass
class Config:
    """Every choice of one cell, and how the command behaves.

    ``prompt`` is a string or a list of strings; ``weights_digest`` is filled in if ``weights`` is a
    file. Unknown tensors in it are an error unless ``ignore_extra_keys``. ``telemetry`` samples
    device and host during the timed iterations; ``profile`` profiles one sampler step after them,
    in the first round that is measured. ``scale`` names the scaled-down workload, if any.
    ``more_rounds`` is how many rounds a resumed sweep adds to the cells whose comparisons are
    undecided. ``leave_out_unsupported`` drops cells that cannot run here from a matrix; the command
    says why. ``verbose`` shows spreads, kernel proofs and where the time went at the end.
    """

    gpu: GpuConfig = field(default_factory=GpuConfig)
    torch_env: TorchEnvConfig = field(default_factory=TorchEnvConfig)
    model_version: ModelConfig = field(default_factory=ModelConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    compile: CompileConfig = field(default_factory=CompileConfig)
    implementation: ImplementationConfig = field(default_factory=ImplementationConfig)
    optimizations: OptimizationsConfig = field(default_factory=OptimizationsConfig)
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    allocator: AllocatorConfig = field(default_factory=AllocatorConfig)
    threads: ThreadsConfig = field(default_factory=ThreadsConfig)
    workload: WorkloadConfig = field(default_factory=WorkloadConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    preset: PresetConfig = field(default_factory=PresetConfig)
    scale: str = "auto"
    experiment: str | None = None
    prompt: Any = DEFAULT_PROMPT
    negative_prompt: str = ""
    prompt_file: str | None = None
    weights: str = RANDOM_WEIGHTS
    weights_digest: str | None = None
    weights_seed: int = 0
    ignore_extra_keys: bool = False
    images: bool = True
    telemetry: bool = True
    profile: bool = False
    time_file: str | None = None
    dry_run: bool = False
    resume: bool = False
    retry_failed: bool = False
    more_rounds: int = 0
    leave_out_unsupported: bool = False
    mix_environments: bool = False
    num_gpus: str = "1"
    traceback: bool = False
    verbose: bool = False

    @property
    def calls_compiler(self) -> bool:
        """Whether torch.compile makes any of the kernels: the network's, or only attention's."""
        of_attention = BACKENDS_BY_NAME[self.attention.backend].is_compiled
        return self.compile.mode != "off" or of_attention

    @property
    def prompts(self) -> list[str]:
        """The prompts as a list; the images of a batch take them in turn."""
        return [self.prompt] if isinstance(self.prompt, str) else list(self.prompt)
