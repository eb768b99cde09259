"""What a record stores. Seconds are floats, sizes are bytes, times of day are UTC."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from msgspec import Struct

SCHEMA_VERSION: Final = 5

#: Every way in which a round can end. Only ``ok`` carries times that may be compared.
Status = Literal["ok", "unsupported", "oom", "timeout", "crashed", "failed", "invalid"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Stored(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a record. The types and names of its fields are checked on reading."""


class Iteration(Stored, frozen=True, kw_only=True):
    """One text-to-image call on one batch, in seconds.

    ``total_s`` runs from tokens to image tensor with the device synchronised at both ends.
    ``steps_s`` has one entry per sampler step; PLMS's first step contains two UNet calls.
    Stages are ``None`` and ``steps_s`` empty where an implementation is one call without stages.
    ``device_total_s`` is the same on the device's own clock (CUDA events). ``begun_s`` counts from
    the start of the round's first timed iteration, on the telemetry's clock: that of a
    warm-up is negative. ``flags`` name in a word or two what disturbed it ("throttled:
    sw_power_cap"); a flagged iteration is never dropped. ``counters`` are what the telemetry
    counted while it ran (``involuntary_context_switches``, ``steal_s``, ``joules``, ...).
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

        ``None`` where an implementation is one call.
        """
        stages = (self.text_encode_s, self.denoise_s, self.vae_decode_s)
        text_encode_s, denoise_s, vae_decode_s = stages
        if text_encode_s is None or denoise_s is None or vae_decode_s is None:
            return None
        return text_encode_s, denoise_s, vae_decode_s


class Times(Stored, frozen=True, kw_only=True):
    """All times of one round, in seconds. ``iterations`` are the timed ones, in order.

    ``prepare_s`` makes the inputs of a UNet call, and so includes the text encoder's first call.
    ``first_call_s`` is the first UNet call, which includes the compilation; it is left out of the
    runtime. ``compile_cache`` is "warm" if its kernels were cached, else "cold".
    ``worker_s`` is the life of the worker, from its first line up to the writing of the record.
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
        """The sum of the timed iterations, warm-up left out: the published *runtime*."""
        return sum(iteration.total_s for iteration in self.iterations)


class Memory(Stored, frozen=True, kw_only=True):
    """Peak memory in bytes; ``None`` with a reason in ``notes`` where it cannot be had."""

    process_peak_bytes: int | None
    device_peak_allocated_bytes: int | None
    device_peak_reserved_bytes: int | None
    notes: dict[str, str] = {}


class Energy(Stored, frozen=True, kw_only=True):
    """Energy of the timed iterations; ``None`` with a reason in ``notes`` where it cannot be had.

    ``source`` is "nvml" (the GPU's own counter) or "rapl" (the processor's packages, with
    everything that runs there).
    """

    joules: float | None
    joules_per_image: float | None
    source: str | None
    notes: dict[str, str] = {}


class Telemetry(Stored, frozen=True, kw_only=True):
    """Device and host while the timed iterations ran, sampled by another process.

    ``at_s`` holds the times of the samples on the clock of ``Iteration.begun_s``; each of
    ``series`` has one value per sample (its name ends in its unit: ``sm_clock_mhz``, ``power_w``,
    ``temperature_c``, ``load_average``, ...), ``throttle_reasons`` one list of words. ``counters``
    are the sums of the timed iterations' own. What is not available is missing, with the reason in
    ``notes``.
    """

    period_s: float
    at_s: list[float]
    series: dict[str, list[float | None]]
    throttle_reasons: list[list[str]] = []
    counters: dict[str, float] = {}
    notes: dict[str, str] = {}


class Compilation(Stored, frozen=True, kw_only=True):
    """What torch.compile did: how many graphs, breaks between them, and recompilations.

    ``eager_calls`` are the UNet calls, timed and before, in which no graph ran; ``given_up`` the
    parts of the network that the compiler left eager, ``failed_graphs`` the graphs that it could
    not compile. ``None`` with a reason in ``notes`` where this PyTorch does not count them.
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

    ``convert_s`` is the conversion itself and ``compile_s`` making it ready for the device;
    ``cache`` is "warm" if the conversion was cached, else "cold". ``settings`` are
    those that it was compiled with (precision hint, threads, ...).
    """

    convert_s: float
    compile_s: float
    cache: str
    settings: dict[str, str] = {}


class Profile(Stored, frozen=True, kw_only=True):
    """Where one sampler step's time went, in seconds by class of kernel (``profile=true``).

    ``step_s`` is the step's wall time under the profiler, ``idle`` the part without a kernel: the
    classes add up to it. ``kernels`` are the ten longest, in seconds. ``trace_file`` is Chrome's
    format, gzipped, relative to the record.
    """

    trace_file: str | None
    step_s: float
    seconds_by_class: dict[str, float]
    kernels: dict[str, float] = {}
    notes: dict[str, str] = {}


class Flops(Stored, frozen=True, kw_only=True):
    """Floating-point operations (a multiply-add is 2), counted on the networks that were timed.

    Matrix products and convolutions are counted, as in the published figures; the rest is not.
    ``unet_call`` and ``text_encode`` are of one guided call (2 x batch size samples),
    ``vae_decode`` of the whole batch, ``iteration`` of everything in a timed iteration.
    """

    unet_call: float
    text_encode: float
    vae_decode: float
    iteration: float


class KernelProof(Stored, frozen=True, kw_only=True):
    """What ran in one UNet call of the module that was timed, read from the profiler.

    ``unprovable`` is the reason why the kernels that ran cannot be seen, if so: then ``proven`` is
    false, and the round is still valid. ``read_from`` is the file name of the record, beside this
    one, whose round was profiled, in the same kind of process. ``None`` if it was this round.
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

    Mean and deviation of the latents are ``None`` where they are not finite. ``stage_sketches``
    hold, for each stage whose output is known, a few sums of it that show how far apart two outputs
    are (`sd_bench.measurement.sketches`); "unet_call" is the first call's.
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
    """How fast this device multiplies matrices, measured in the sweep: the ceiling of its FLOP/s.

    ``flop_per_s`` in the dtype that the cell computes in (``dtype``), of square matrices of
    ``size``; a multiply-add is 2.
    """

    dtype: str
    size: int
    flop_per_s: float


class Efficiency(Stored, frozen=True, kw_only=True):
    """Counted operations of the timed iterations divided by measured seconds, by part.

    Parts are "iteration" (over its median time) and, where there are stages, "text_encode",
    "denoise" and "vae_decode" (over their mean times). ``share_of_matmul`` is the part of the
    machine's ``matmul_rate``, ``share_of_peak`` that of the datasheet's peak for the precision; 1
    is all of it; more than 1 means that the rate or the peak is not the ceiling.
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
    """When the sweep planned to look at its verdicts, fixed before its first round.

    ``rule`` names the rule (docs/statistics.md), ``looks`` are the numbers of rounds it looks
    after, the last of which is where it ends; ``error`` is the chance of a wrong verdict in the
    table, ``reserve`` the share of it that is kept for one extension. ``family`` is the number of
    comparisons in the table, ``baseline`` what this cell was to be compared with, as it is written
    after ``--baseline`` (``None``: with nothing), ``margin`` what counts as equal. ``asked_by`` is
    the number of rounds after which this one was asked for, 0 if no look came before it.
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
    """A round that was disturbed and measured again: ``file`` lies beside the record.

    ``disturbed_by`` names the cause; the times do not decide it.
    """

    file: str
    disturbed_by: list[str]


class Record(Stored, frozen=True, kw_only=True):
    """One round of one cell.

    ``choices`` holds the resolved value of every axis that people compare (gpu, batch_size,
    attention, ...). ``scaled`` says in plain sentences how the workload differs from the
    published one, and is empty when it does not. ``reason`` is set whenever ``status`` is not
    ``ok``. ``warnings`` are sentences that a reader of the numbers should see.
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
