"""Importing xFormers with its operators, or saying why it has none."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch


def memory_efficient_attention() -> Callable[..., Any]:
    """xFormers' function of this name. Raises ImportError without xFormers."""
    _load_cuda_runtimes()
    from xformers.ops import memory_efficient_attention as attend

    return attend


def _load_cuda_runtimes() -> None:
    """Load what ``pip install nvidia-cuda-runtime-cu12`` has put beside PyTorch, if anything.

    xFormers' wheel is linked to the runtime of one CUDA version, and finds one that is loaded.
    PyTorch brings only its own.
    """
    with suppress(ImportError, ValueError):
        spec = importlib.util.find_spec("nvidia.cuda_runtime")
        for folder in (spec and spec.submodule_search_locations) or ():
            for library in sorted(Path(folder, "lib").glob("libcudart.so.*")):
                with suppress(OSError):
                    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def why_no_operators() -> str | None:
    """What xFormers would hide in a list of operators that are all refused, or None."""
    import xformers
    from xformers import _cpp_lib

    error = getattr(_cpp_lib, "_cpp_library_load_exception", None)
    if error is None:
        return None
    built = getattr(error, "build_info", None)
    version = f"xFormers {xformers.__version__}"
    if built is None:
        return f"{version} cannot load its operators: {' '.join(str(error).split())[:300]}"
    major = int(built.cuda_version or 0) // 100
    return (
        f"{version}, made for PyTorch {built.torch_version}, cannot load its operators under "
        f"PyTorch {torch.__version__}: install the xFormers that is made for this PyTorch, or the "
        f"CUDA runtime that it was made with (pip install nvidia-cuda-runtime-cu{major})"
    )
