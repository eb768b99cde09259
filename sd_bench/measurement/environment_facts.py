"""What a round ran on and with, and a fingerprint of what must agree between averaged rounds."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import torch

from sd_bench.attention_backends import measured_facts
from sd_bench.capabilities.allocators import mapped_allocator
from sd_bench.capabilities.devices import cpu_name
from sd_bench.capabilities.implementations import needed_packages
from sd_bench.capabilities.nvidia_driver import first_uuid
from sd_bench.capabilities.processors import own_processors
from sd_bench.capabilities.torch_compat import HAS_COMPILE, math_attention_reduces_in_half
from sd_bench.measurement.gpu_facts import INSTANCE, SETTINGS, gpu_facts
from sd_bench.measurement.host_facts import (
    allowed_nodes,
    compiler_version,
    describe_machine,
    describe_memory,
    describe_processors,
    describe_scheduling,
    python_switches,
    write_list,
)
from sd_bench.paths import PACKAGE_DIR

_PACKAGES = (
    "torch", "torchvision", "triton", "xformers", "open_clip_torch", "timm", "numpy", "pillow",
    "safetensors", "hydra-core", "omegaconf", "nvidia-ml-py", "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13", "nvidia-cublas-cu12", "nvidia-cublas", "mkl", "sd_bench", "diffusers",
    "transformers", "accelerate",
)  # fmt: skip
_VARIABLE_PREFIXES = (
    "TORCH", "PYTORCH", "ATEN", "CUDA", "CUDNN", "CUBLAS", "NVIDIA", "TRITON", "OMP", "GOMP", "KMP",
    "MKL", "DNNL", "ONEDNN", "OPENBLAS", "BLIS", "VECLIB", "XFORMERS", "KINETO", "MALLOC",
    "MIMALLOC", "TCMALLOC", "GLIBC_TUNABLES", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT",
    "LD_DEBUG", "LD_PROFILE", "LD_BIND_NOW", "DISABLE_ADDMM", "OV_", "OPENVINO", "TBB", "ORT_",
)  # fmt: skip
#: Variables that the launcher sets for a cell, or that select one of several equal GPUs.
_NOT_OF_THE_ENVIRONMENT = (
    "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TORCHINDUCTOR_UNIQUE_KERNEL_NAMES",
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
)  # fmt: skip
#: The second word of SD_BENCH_COMMIT: whether the tree had uncommitted changes.
_DIRTY = {"clean": False, "changed": True}
#: The parts of the package that a measured time depends on.
_MEASURED_SOURCES = (
    "networks", "weights", "sampling", "measurement", "implementations",
    "capabilities/torch_compat.py", "capabilities/torch_features.py",
)  # fmt: skip


def describe_environment(
    device: torch.device, variables: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """All facts of the environment, with a ``fingerprint`` over those that must agree.

    ``variables`` are the environment variables from before a choice changed any.

    The fingerprint leaves out what may differ between averaged rounds: which of several equal GPUs
    or sets of processors ran and its current state, the interpreter's path, the project's commit.
    It leaves out the number of threads too: either a choice set it, or it follows from the
    processors, the variables and PyTorch's build. It includes the C++ compiler for every cell;
    otherwise a compiled cell could not be compared with an eager one.
    """
    processors = own_processors()
    uuid = first_uuid() if device.type == "cuda" else None
    facts = {} if uuid is None else gpu_facts(uuid, {**SETTINGS, **INSTANCE})
    alike = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_build": torch.__config__.show(),
        "packages": {
            name: version
            for name in dict.fromkeys((*_PACKAGES, *needed_packages()))
            if (version := _version(name))
        },
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "device": {**_describe_device(device), **{n: facts[n] for n in SETTINGS if n in facts}},
        "processor": describe_processors(processors),
        "scheduling": describe_scheduling(),
        "memory": describe_memory(processors),
        "machine": describe_machine(),
        "python_switches": python_switches(),
        "compiler": compiler_version() if HAS_COMPILE else None,
        "variables": {
            name: value
            for name, value in sorted(variables.items())
            if name.startswith(_VARIABLE_PREFIXES) and name not in _NOT_OF_THE_ENVIRONMENT
        },
        "settings": _settings(),
        "source_hash": _source_hash(),
    }
    text = json.dumps(alike, sort_keys=True)
    return {
        "fingerprint": hashlib.sha256(text.encode()).hexdigest()[:16],
        **alike,
        "device_instance": {name: facts[name] for name in INSTANCE if name in facts},
        "host": {
            "os": platform.platform(),
            "kernel": platform.release(),
            "machine": platform.machine(),
            "memory_bytes": _memory_bytes(),
            "processors": write_list(processors),
            "memory_nodes": allowed_nodes(),
            "load_average": list(os.getloadavg()),
            "lock_folder": os.environ.get("SD_BENCH_LOCK_DIR"),
        },
        "threads": {
            "intra_op": torch.get_num_threads(),
            "inter_op": torch.get_num_interop_threads(),
        },
        "allocator": mapped_allocator(),
        "interpreter": sys.executable,
        "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "project": _project(),
    }


def with_load_at_end(environment: dict[str, Any]) -> dict[str, Any]:
    """``environment`` with the current load average beside the one at the round's start."""
    host = {**environment["host"], "load_average_at_end": list(os.getloadavg())}
    return {**environment, "host": host}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _describe_device(device: torch.device) -> dict[str, Any]:
    if device.type == "cpu":
        return {"kind": "cpu", "name": cpu_name()}
    if device.type != "cuda":
        return {"kind": device.type, "name": _device_name(device)}
    properties = torch.cuda.get_device_properties(device)
    return {
        "kind": "cuda" if torch.version.hip is None else "rocm",
        "name": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "memory_bytes": properties.total_memory,
        "multiprocessors": properties.multi_processor_count,
    }


def _device_name(device: torch.device) -> str:
    """PyTorch's name of the device; Apple's GPU has none and is named after its processor."""
    named = getattr(getattr(torch, device.type), "get_device_name", None)
    return cpu_name() if named is None else str(named(device))


def _settings() -> dict[str, Any]:
    return {
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "math_attention_reduces_in_half": math_attention_reduces_in_half(),
        "python_optimised": not __debug__,
        "hash_seed": os.environ.get("PYTHONHASHSEED", "random"),
    }


def _source_hash() -> str:
    digest = hashlib.sha256(measured_facts().encode())
    for part in _MEASURED_SOURCES:
        path = PACKAGE_DIR / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _project() -> dict[str, Any]:
    """The commit of the checkout that sd_bench runs from; ``None`` where it is unknown.

    For a tree that was copied without its repository, or into another one, set the variable
    SD_BENCH_COMMIT to "<hash> clean" or "<hash> changed".
    """
    known, _, state = os.environ.get("SD_BENCH_COMMIT", "").partition(" ")
    if known or not (PACKAGE_DIR.parent / ".git").exists():
        return {"git_commit": known or None, "dirty": _DIRTY.get(state)}
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(PACKAGE_DIR.parent), *arguments],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
