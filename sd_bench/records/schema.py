"""What a record stores. Seconds are floats, sizes are bytes, times of day are UTC."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from msgspec import Struct

SCHEMA_VERSION: Final = 5

#: Every way in which a round can end. Only an ``ok`` round's times may be compared.
Status = Literal["ok", "unsupported", "oom", "timeout", "crashed", "failed", "invalid"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Stored(Struct, frozen=True, forbid_unknown_fields=True):
    """Base class of all parts of a record; names and types of fields are checked on reading."""


class Iteration(Stored, frozen=True, kw_only=True):
    """One text-to-image call on one batch, in seconds.

    ``total_s`` is the time from tokens to image tensor, with the device synchronised before and
    after. ``steps_s`` has one entry per sampler step; PLMS's first step contains two UNet calls.
    Stages are ``None`` and ``steps_s`` is empty if the implementation is one call without stages.
    ``device_total_s`` is the total on the device's own clock (CUDA events). ``begun_s`` is relative
    to the start of the round's first timed iteration, on the telemetry's clock; it is negative for
    a warm-up. ``flags`` name in a few words what disturbed the iteration ("throttled:
    sw_power_cap"); a flagged iteration is never dropped. ``counters`` are what was counted while it
    ran (``involuntary_context_switches``, ``steal_s``, ``joules``, ...).
    """

    total_s: float
    text_encode_s: float | None
    denoise_s: float | None
    vae_decode_s: float | None
    steps_s: list[float]
    device_total_s: float | None = None
    begun_s: float | None = None
    flags: list[str] = []
    counters: dict[str, float] = {}

    @property
    def stages_s(self) -> tuple[float, float, float] | None:
        """Stages: the parts of an iteration (text encoder, denoising, decoder), in seconds.

        ``None`` if the implementation is one call without stages.
        """
        stages = (self.text_encode_s, self.denoise_s, self.vae_decode_s)
        text_encode_s, denoise_s, vae_decode_s = stages
        if text_encode_s is None or denoise_s is None or vae_decode_s is None:
            return None
        return text_encode_s, denoise_s, vae_decode_s


class Times(Stored, frozen=True, kw_only=True):
    """All times of one round, in seconds. ``iterations`` are the timed ones, in order.

    ``prepare_s`` is for the inputs of a UNet call, including the text encoder's first call.
    ``first_call_s`` is the first UNet call, including compilation; it is not part of the runtime.
    ``compile_cache`` is "warm" if the compiled kernels were cached, else "cold". ``worker_s`` is
    the time from the worker's first line until it writes the record.
    """

    import_s: float
    build_s: float
    prepare_s: float
    first_call_s: float | None
    warmup: list[Iteration]
    warmup_unet_calls_s: list[float]
    iterations: list[Iteration]
    compile_cache: str | None = None
    proof_s: float | None = None
    save_s: float = 0.0
    worker_s: float | None = None

    @property
    def runtime_s(self) -> float:
        """The sum of the timed iterations, without warm-up: the published *runtime*."""
        return sum(iteration.total_s for iteration in self.iterations)


class Memory(Stored, frozen=True, kw_only=True):
    """Peak memory in bytes; ``None``, with the reason in ``notes``, where it cannot be read."""

    process_peak_bytes: int | None
    device_peak_allocated_bytes: int | None
    device_peak_reserved_bytes: int | None
    notes: dict[str, str] = {}


class Energy(Stored, frozen=True, kw_only=True):
    """Energy of the timed iterations; ``None``, with the reason in ``notes``, if it was not read.

    ``source`` is "nvml" (the GPU's own counter) or "rapl" (the processor packages, including
    everything else that runs on them).
    """

    joules: float | None
    joules_per_image: float | None
    source: str | None
    notes: dict[str, str] = {}


class Telemetry(Stored, frozen=True, kw_only=True):
    """State of the device and host during the timed iterations, sampled by a separate process.

    ``at_s`` holds the times of the samples on the clock of ``Iteration.begun_s``. Each of
    ``series`` has one value per sample and a name that ends in its unit, if it has one
    (``sm_clock_mhz``, ``power_w``, ``temperature_c``, ``load_average``, ...). ``throttle_reasons``
    has one list of words per sample. ``counters`` are the sums of the iterations' ``counters``.
    What is not available is missing, with the reason in ``notes``.
    """

    period_s: float
    at_s: list[float]
    series: dict[str, list[float | None]]
    throttle_reasons: list[list[str]] = []
    counters: dict[str, float] = {}
    notes: dict[str, str] = {}


class Compilation(Stored, frozen=True, kw_only=True):
    """What torch.compile did: numbers of graphs, of breaks between them, and of recompilations.

    ``eager_calls`` is the number of UNet calls, timed or before, in which no graph ran;
    ``given_up`` that of parts of the network that the compiler left eager; ``failed_graphs`` that
    of graphs that it could not compile. A number is ``None``, with the reason in ``notes``, where
    this PyTorch does not count it.
    """

    graphs: int | None
    graph_breaks: int | None
    recompilations: int | None
    eager_calls: int | None = None
    given_up: int | None = None
    failed_graphs: int | None = None
    notes: dict[str, str] = {}


class Conversion(Stored, frozen=True, kw_only=True):
    """How long an implementation took to convert our networks, in seconds.

    ``convert_s`` is for the conversion itself, ``compile_s`` for compiling it for the device.
    ``cache`` is "warm" if the conversion was cached, else "cold". ``settings`` are those of the
    compilation (precision hint, threads, ...).
    """

    convert_s: float
    compile_s: float
    cache: str
    settings: dict[str, str] = {}


class Profile(Stored, frozen=True, kw_only=True):
    """Where one sampler step's time went, in seconds by class of kernel (``profile=true``).

    ``step_s`` is the step's wall time under the profiler. The classes add up to it; ``idle`` is the
    time without a kernel. ``kernels`` are the ten longest, in seconds. ``trace_file`` is a gzipped
    trace in Chrome's format, relative to the record.
    """

    trace_file: str | None
    step_s: float
    seconds_by_class: dict[str, float]
    kernels: dict[str, float] = {}
    notes: dict[str, str] = {}


class Flops(Stored, frozen=True, kw_only=True):
    """Floating-point operations of the cell's networks; a multiply-add counts as 2.

    Only matrix products and convolutions are counted, as in the published figures. ``unet_call``
    and ``text_encode`` are for one guided call (2 x batch size samples), ``vae_decode`` for the
    whole batch, ``iteration`` for a whole timed iteration.
    """

    unet_call: float
    text_encode: float
    vae_decode: float
    iteration: float


class KernelProof(Stored, frozen=True, kw_only=True):
    """Which attention kernels ran in one UNet call of the timed module, read from the profiler.

    ``unprovable`` is the reason if the kernels cannot be seen; then ``proven`` is false, but the
    round is still valid. If another round was profiled, in the same kind of process, ``read_from``
    is the file name of its record, in the same folder; ``None`` if it was this round.
    """

    expected: str
    proven: bool
    detail: str
    num_attention_modules: int
    operators: dict[str, int]
    kernels: dict[str, int]
    read_from: str | None = None
    unprovable: str | None = None


class Output(Stored, frozen=True, kw_only=True):
    """What the first timed iteration produced; file names are relative to the record.

    The latents' mean and standard deviation are ``None`` if not finite. ``stage_sketches`` holds,
    for each stage whose output is known, sums of the output that show how far apart two outputs are
    (`sd_bench.measurement.sketches`); "unet_call" is for the first call.
    """

    latents_file: str | None
    latents_sha256: str
    image_files: list[str]
    image_seeds: list[int]
    prompts: list[str]
    latents_mean: float | None
    latents_std: float | None
    negative_prompt: str = ""
    stage_sketches: dict[str, list[float]] = {}


class MatmulRate(Stored, frozen=True, kw_only=True):
    """How fast this device multiplies matrices, measured in the sweep, as a ceiling for FLOP/s.

    ``flop_per_s`` is for square matrices with sides of ``size`` in ``dtype``, in which the cell
    computes; a multiply-add counts as 2.
    """

    dtype: str
    size: int
    flop_per_s: float


class Efficiency(Stored, frozen=True, kw_only=True):
    """Counted operations of the timed iterations divided by measured seconds, by part.

    Parts are "iteration" (divided by its median time) and, if there are stages, "text_encode",
    "denoise" and "vae_decode" (divided by their mean times). ``share_of_matmul`` is relative to the
    machine's ``matmul_rate``, ``share_of_peak`` to the datasheet's peak for the precision. A share
    above 1 means that the rate or peak is not the actual ceiling.
    """

    flop_per_s: dict[str, float]
    share_of_matmul: dict[str, float] = {}
    share_of_peak: dict[str, float] = {}


class Failure(Stored, frozen=True, kw_only=True):
    """Why a round has no usable times."""

    type: str
    message: str
    detail: str = ""
    exit_code: int | None = None
    signal: str | None = None


class Looks(Stored, frozen=True, kw_only=True):
    """When the sweep planned to look at its verdicts; fixed before its first round.

    ``rule`` names the rule (docs/statistics.md). ``looks`` are the numbers of rounds after which
    the sweep looks; it ends after the last. ``error`` is the chance of a wrong verdict in the
    table, ``reserve`` the share of it that is kept for one extension. ``family`` is the number of
    comparisons in the table. ``baseline`` is what this cell is compared with, as written after
    ``--baseline`` (``None``: nothing), and ``margin`` the difference that counts as equal.
    ``asked_by`` is the number of rounds at the look that requested this round, 0 if none did.
    """

    rule: str
    looks: list[int]
    error: float
    reserve: float
    family: int
    baseline: str | None
    margin: float
    asked_by: int


class FirstAttempt(Stored, frozen=True, kw_only=True):
    """A disturbed attempt at a round, which was then measured again.

    ``file`` is in the record's folder. ``disturbed_by`` names the causes, which are never judged
    from the times.
    """

    file: str
    disturbed_by: list[str]


class Record(Stored, frozen=True, kw_only=True):
    """One round of one cell.

    ``choices`` holds the resolved value of every axis that can be compared (gpu, batch_size,
    attention, ...). ``scaled`` says in plain sentences how the workload differs from the
    published one, and is empty if it does not. ``reason`` is set unless ``status`` is ``ok``.
    ``warnings`` are sentences that a reader of the numbers should see.
    """

    schema_version: Literal[5]
    status: Status
    reason: str | None
    cell_hash: str
    choices: dict[str, Any]
    round: int
    position: int
    sweep: str
    job: str
    started_at: str
    config: dict[str, Any]
    scaled: list[str]
    environment: dict[str, Any]
    times: Times | None = None
    memory: Memory | None = None
    kernel_proof: KernelProof | None = None
    output: Output | None = None
    failure: Failure | None = None
    energy: Energy | None = None
    telemetry: Telemetry | None = None
    compilation: Compilation | None = None
    profile: Profile | None = None
    flops: Flops | None = None
    conversion: Conversion | None = None
    matmul_rate: MatmulRate | None = None
    efficiency: Efficiency | None = None
    warnings: list[str] = []
    looks: Looks | None = None
    first_attempt: FirstAttempt | None = None

    @property
    def runtime_s(self) -> float | None:
        """The published *runtime* of an ``ok`` round in seconds, else ``None``."""
        return self.times.runtime_s if self.status == "ok" and self.times else None
