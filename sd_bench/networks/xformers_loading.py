"""Import xFormers with its operators, or find out why it has none."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch


def memory_efficient_attention() -> Callable[..., Any]:
    """xFormers' ``memory_efficient_attention``. Raises ImportError without xFormers."""
    _load_cuda_runtimes()
    from xformers.ops import memory_efficient_attention as attend

    return attend


def _load_cuda_runtimes() -> None:
    """Load the CUDA runtimes that packages such as nvidia-cuda-runtime-cu12 installed, if any.

    xFormers' wheel is linked to the runtime of one CUDA version and finds it if it is loaded
    already. PyTorch itself loads only its own.
    """
    with suppress(ImportError, ValueError):
        spec = importlib.util.find_spec("nvidia.cuda_runtime")
        for folder in (spec and spec.submodule_search_locations) or ():
            for library in sorted(Path(folder, "lib").glob("libcudart.so.*")):
                with suppress(OSError):
                    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def why_no_operators() -> str | None:
    """Why xFormers could not load its operators, or None if it could.

    xFormers itself would only list all operators as unsupported.
    """
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
        f"PyTorch {torch.__version__}: install the xFormers for this PyTorch, or the CUDA runtime "
        f"that xFormers was built with (pip install nvidia-cuda-runtime-cu{major})"
    )
