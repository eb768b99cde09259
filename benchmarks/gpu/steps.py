"""The steps of a call in order, as arguments of sd_bench's command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

#: Options of sd_bench's command line that this folder uses, each named only here.
PRESET = "preset"
DRY_RUN = "dry_run=true"
RESUME = "resume=true"
TIME_LIMIT = "protocol.time_limit_s"

#: The published presets that PyTorch 2 can run; the original code as its PyTorch 2 twins.
PRESETS = "original_no_xformers_pt2,original_xformers_pt2,optimized_math,optimized"
COMPILED_PRESET = "optimized_compile"

#: The time limit of a round in seconds, and of a round that compiles first.
ROUND_LIMIT_S, COMPILED_ROUND_LIMIT_S = 150, 300
_COMPILED = (f"{TIME_LIMIT}={COMPILED_ROUND_LIMIT_S}",)


@dataclass(frozen=True, slots=True)
class Step:
    """One command, by its ``kind``; a sweep's ``overrides`` replace those of ``EVERY_SWEEP``."""

    name: str
    overrides: tuple[str, ...] = ()
    kind: str = "sweep"


#: The most valuable first; steps that do not fit are left for a second call.
STEPS = (
    Step("published", (f"{PRESET}={PRESETS}",)),
    Step("published_compiled", (f"{PRESET}={COMPILED_PRESET}", *_COMPILED)),
    Step(
        "kernels",
        ("attention=flash,math,mem_efficient,cudnn", "protocol.worker=fork"),
    ),
    Step("published_batch_4", (f"{PRESET}={PRESETS}", "batch_size=4")),
    Step("published_batch_2", (f"{PRESET}={PRESETS}", "batch_size=2")),
    Step("peers", ("implementation=sd_bench,diffusers,diffusers_pipeline", "precision=fp16")),
    Step("tests", kind="tests"),
    Step("unet_vs_diffusers", kind="comparison"),
    Step(
        "fastest",
        (
            "precision=fp16",
            "attention=auto",
            "optimizations.cuda_graph=false,true",
            "compile=off,default",
            "protocol.worker=fork",
            *_COMPILED,
        ),
    ),
    Step("graphs", ("compile=reduce_overhead", "attention=flash,math", *_COMPILED)),
    Step("profiled", ("profile=true", "attention=flash,math")),
    Step("compiled_kernels", ("compile=default", "attention=flash,math", *_COMPILED)),
    Step("half", ("precision=fp16", "attention=flash", "compile=off,default", *_COMPILED)),
    Step("sd1", ("model_version=sd1", "attention=flash,math")),
    Step("sd2_768", ("model_version=sd2_768", "sampler=ddim", "attention=flash,math")),
    Step(
        "published_verdicts",
        (
            f"{PRESET}={PRESETS},{COMPILED_PRESET}",
            "protocol=standard",
            "protocol.rounds=null",
            "protocol.budget=5min",
            "protocol.worker=fork",
            *_COMPILED,
        ),
    ),
)
EVERY_SWEEP = (
    "model_version=sd2", "protocol=quick", "protocol.rounds=1", f"{TIME_LIMIT}={ROUND_LIMIT_S}",
    "images=false",
)  # fmt: skip
#: On a CPU: a UNet of one level with 8 attention modules, which compiles in seconds.
ON_DEVICE = {
    "cuda": ("gpu=auto",),
    "cpu": (
        "gpu=cpu", "workload.height=64", "workload.width=64", "sampler.steps=2",
        "model_version.unet.channel_mult=[1]", "model_version.unet.num_res_blocks=1",
    ),
}  # fmt: skip


def arguments_of(step: Step, device: str, extra: Sequence[str] = ()) -> list[str]:
    """The arguments of a sweep's command, each name once; the last value wins."""
    values: dict[str, str] = {}
    for layer in (EVERY_SWEEP, ON_DEVICE[device], step.overrides):
        values |= {override.partition("=")[0]: override for override in layer}
    if device == "cpu":
        values["model_version"] += "_tiny"
    values |= {override.partition("=")[0]: override for override in extra}
    return list(values.values())


def cells_of(arguments: Sequence[str]) -> list[str]:
    """The cells of a sweep in Hydra's order, each by what distinguishes it from the others."""
    fixed = [a for a in arguments if len(_choices(a)) == 1]
    named = [a for a in fixed if a.partition("=")[0] in (PRESET, "attention", "compile")]
    varying = [[a for a in cell if a not in fixed] for cell in expanded(arguments)]
    return [" ".join(cell or named) for cell in varying]


def expanded(arguments: Sequence[str]) -> list[tuple[str, ...]]:
    """The arguments of each cell of a sweep, in Hydra's order."""
    return list(product(*map(_choices, arguments)))


def _choices(argument: str) -> list[str]:
    name, _, values = argument.partition("=")
    is_one = any(mark in values for mark in "[{'\"")
    return [f"{name}={value}" for value in ([values] if is_one else values.split(","))]
