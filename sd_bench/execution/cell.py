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

#: Settings that do not change a round's result: how often it is repeated, what is kept or shown.
_NOT_IDENTITY = (
    "preset", "experiment", "images", "telemetry", "profile", "time_file", "dry_run",
    "traceback", "verbose", "resume", "retry_failed", "more_rounds", "mix_environments", "num_gpus",
    "prompt_file", "scale", "leave_out_unsupported",
    "weights", "ignore_extra_keys",  # the identity has the digest of the weights
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


#: The first names of parts of the identity, by their present names.
_FIRST_NAMES = {
    "workload": {"guidance_scale": "guidance"},
    "model_version": {"guidance_scale": "guidance"},
}
#: Parts that were added later, with their default: with it a cell keeps its earlier hash.
_LATER: dict[str, dict[str, Any]] = {
    "protocol": {"worker": "spawn"},
    "allocator": {"name": "default", "library": None, "variables": {}},
    "threads": {"count": "auto", "pinned": False},
    "implementation": {"name": OUR_IMPLEMENTATION},
    "optimizations": dict.fromkeys(vars(OptimizationsConfig()), False),
}


#: Suffixes of weights files; others may be part of a folder's name.
_SUFFIXES = ("safetensors", "ckpt", "pt", "pth", "bin")


class CellKey(NamedTuple):
    """What distinguishes a cell's records: two presets may name the same measurement."""

    hash: str
    preset: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of a sweep.

    ``label`` is what the user typed for it; ``folder`` is absolute, inside ``sweep_folder``.
    """

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
        """The last two parts of the sweep's folder: date/time unless the user chose another."""
        return "/".join(self.sweep_folder.parts[-2:])

    @property
    def job(self) -> str:
        """The cell's folder relative to the sweep's."""
        return self.folder.relative_to(self.sweep_folder).as_posix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One composed job of a Hydra multirun; ``folder`` is for its records.

    ``at_scale`` composes it with the workload of a scale, which is chosen later.
    """

    config: Config
    at_scale: Callable[[str], Config]
    index: int
    label: str
    folder: Path
    sweep_folder: Path


@dataclass(frozen=True, slots=True)
class EndedJobs:
    """The folders of jobs that another launcher of Hydra's has run, perhaps in other processes."""

    folders: list[Path]


def cell_hash(config: Config) -> str:
    """A hash of everything in ``config`` that can change a result, and nothing else."""
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
    """``identity`` with the names of the first version, so that renaming does not change hashes."""
    for group, keys in _FIRST_NAMES.items():
        for key, first in keys.items():
            identity[group][first] = identity[group].pop(key)
    return identity


def choices(config: Config) -> dict[str, Any]:
    """The cell's value on every axis that may be compared."""
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
    """ "random", or the checkpoint's name and the start of its digest: ``my model #1a2b3c4``.

    The name is that of its folder, or of its file without the suffix. Different weights get
    different names, and the same file gets the same name on every machine.
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
    """The preset's name, with every choice in which the cell differs from its bundle."""
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
