"""A cell: one resolved point of the matrix, its identity and its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sd_bench.config.conversion import to_dict
from sd_bench.config.schema import OUR_IMPLEMENTATION, Config, OptimizationsConfig

#: What changes no result of a round: how often it is repeated, what is kept, what is shown.
_NOT_IDENTITY = (
    "preset", "experiment", "images", "telemetry", "profile", "time_file", "dry_run",
    "traceback", "verbose", "resume", "retry_failed", "more_rounds", "mix_environments", "num_gpus",
    "prompt_file", "scale", "leave_out_unsupported",
    "weights", "ignore_extra_keys",  # its digest is in
)  # fmt: skip
_NOT_IDENTITY_INSIDE = {
    "protocol": (
        "name",
        "rounds",
        "min_rounds",
        "max_rounds",
        "budget",
        "retry_disturbed",
        "order_seed",
        "time_limit_s",
    ),
    "gpu": (
        "workload_defaults",
        "device_names",
        "memory_gb",
        "bandwidth_gb_per_s",
        "peak_tflops",
        "scheduling",
    ),
    "torch_env": ("python",),
}


#: What parts of the identity were called first, by what they are called now.
_FIRST_NAMES = {
    "workload": {"guidance_scale": "guidance"},
    "model_version": {"guidance_scale": "guidance"},
}
#: Parts that came later, with their default: a cell that has it is what it was without them.
_LATER: dict[str, dict[str, Any]] = {
    "protocol": {"worker": "spawn"},
    "allocator": {"name": "default", "library": None, "variables": {}},
    "threads": {"count": "auto", "pinned": False},
    "implementation": {"name": OUR_IMPLEMENTATION},
    "optimizations": dict.fromkeys(vars(OptimizationsConfig()), False),
}


#: What files of weights are called after their name; a folder's name may hold a dot anywhere.
_SUFFIXES = ("safetensors", "ckpt", "pt", "pth", "bin")


class CellKey(NamedTuple):
    """What distinguishes a cell's records: one measurement may have two names, to be compared."""

    hash: str
    preset: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """``label`` is what the user typed for it; ``folder`` is absolute, inside ``sweep_folder``."""

    config: Config
    index: int
    label: str
    folder: Path
    sweep_folder: Path

    @property
    def hash(self) -> str:
        return cell_hash(self.config)

    @property
    def key(self) -> CellKey:
        return CellKey(self.hash, preset_name(self.config))

    @property
    def sweep(self) -> str:
        """The sweep's folder as date/time, or whatever the user called it."""
        return "/".join(self.sweep_folder.parts[-2:])

    @property
    def job(self) -> str:
        """The cell's folder inside the sweep's."""
        return self.folder.relative_to(self.sweep_folder).as_posix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of a Hydra multirun, composed; ``folder`` is where its records go.

    ``at_scale`` composes it with the workload of a scale that is chosen later.
    """

    config: Config
    at_scale: Callable[[str], Config]
    index: int
    label: str
    folder: Path
    sweep_folder: Path


@dataclass(frozen=True, slots=True)
class EndedJobs:
    """Jobs that another launcher of Hydra's has run, perhaps in its own processes: where."""

    folders: list[Path]


def cell_hash(config: Config) -> str:
    """A hash of everything in ``config`` that can change a result, and of nothing else."""
    identity = _by_first_names(to_dict(config))
    for key in _NOT_IDENTITY:
        del identity[key]
    for group, keys in _NOT_IDENTITY_INSIDE.items():
        for key in keys:
            del identity[group][key]
    for group, defaults in _LATER.items():
        for key, default in defaults.items():
            if identity[group][key] == default:
                del identity[group][key]
        if not identity[group]:
            del identity[group]
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _by_first_names(identity: dict[str, Any]) -> dict[str, Any]:
    """``identity`` as the first version named its parts: a cell stays itself under new words."""
    for group, keys in _FIRST_NAMES.items():
        for key, first in keys.items():
            identity[group][first] = identity[group].pop(key)
    return identity


def choices(config: Config) -> dict[str, Any]:
    """The value of every axis that people compare."""
    threads = config.threads.name
    return {
        "gpu": config.gpu.name,
        "torch_env": config.torch_env.name,
        "model_version": config.model_version.name,
        "implementation": config.implementation.name,
        "optimizations": "+".join(config.optimizations.names) or None,
        "attention": config.attention.backend,
        "compile": config.compile.mode,
        "precision": config.precision.name,
        "batch_size": config.workload.batch_size,
        "allocator": config.allocator.name,
        "threads": int(threads) if threads.isdigit() else threads,
        "sampler": config.sampler.name,
        "steps": config.sampler.steps,
        "height": config.workload.height,
        "width": config.workload.width,
        "n_iter": config.protocol.n_iter,
        "preset": preset_name(config),
        "weights": weights_name(config),
        "upcast": upcast_name(config),
    }


def weights_name(config: Config) -> str:
    """ "random", or what the checkpoint is called and the begin of its digest.

    It is called as its folder, or as its file without the suffix: ``my model #1a2b3c4``. Other
    weights have another name, and the same ones the same on every machine.
    """
    name = Path(config.weights).name or Path(config.weights).resolve().name
    stem, dot, suffix = name.rpartition(".")
    if dot and suffix.lower() in _SUFFIXES and stem:
        name = stem
    return name if config.weights_digest is None else f"{name} #{config.weights_digest[:7]}"


def upcast_name(config: Config) -> str:
    """Whether attention computes half-precision inputs in fp32: true, false, or default."""
    upcast = config.attention.upcast
    return "default" if upcast is None else str(upcast).lower()


def preset_name(config: Config) -> str | None:
    """The preset's name, with every choice in which the cell departs from its bundle."""
    attention = config.attention
    chosen = {
        "implementation": config.implementation.name,
        "attention": attention.backend,
        "compile": config.compile.mode,
        "precision": config.precision.name,
        "optimizations": "+".join(config.optimizations.names),
        "torch_env": config.torch_env.name,
        "checkpointing": str(config.model_version.unet.use_checkpoint).lower(),
        "disabled": "+".join(attention.disabled),
        "upcast": str(attention.upcast).lower(),
    }
    name, bundle = config.preset.name, config.preset.bundle
    departures = [
        f"{axis}={chosen[axis]}" for axis in bundle if chosen[axis] != bundle[axis].lower()
    ]
    return f"{name} with {', '.join(departures)}" if name and departures else name
