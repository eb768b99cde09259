"""Try an attention backend on a small input with the real dtype and head widths."""

from __future__ import annotations

import warnings

import torch

from sd_bench.capabilities.torch_compat import sdpa_backends
from sd_bench.config.schema import AttentionConfig, UNetConfig
from sd_bench.networks.attention import attention_factory
from sd_bench.networks.xformers_loading import why_no_operators

_QUERIES, _KEYS = 64, 77
_NOT_THE_BACKENDS_FAULT = ("out of memory", "cuda error", "cublas_status", "cudnn_status_alloc")


@torch.no_grad()
def why_backend_fails(
    attention: AttentionConfig, unet: UNetConfig, device: torch.device, dtype: torch.dtype
) -> str | None:
    """Why the backend cannot run here, in the words of PyTorch or the library; None if it can.

    Raises RuntimeError for errors that are not the backend's fault, such as out of memory.
    """
    try:
        make = attention_factory(attention)
    except ImportError as error:
        return f"{attention.backend}: {error}"
    needs_operators = attention.backend == "xformers" and device.type == "cuda"
    if needs_operators and (why := why_no_operators()) is not None:
        return why
    for width in unet.head_widths:
        module = make(2 * width, width, 2).to(device, dtype).eval()
        x = torch.randn(1, _QUERIES, 2 * width, device=device, dtype=dtype)
        context = torch.randn(1, _KEYS, width, device=device, dtype=dtype)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with sdpa_backends(attention.allowed_sdpa_backends, attention.upcast):
                    module(x, context)
            except (RuntimeError, NotImplementedError, ValueError) as error:
                if any(mark in str(error).lower() for mark in _NOT_THE_BACKENDS_FAULT):
                    raise
                messages = [str(error), *(str(w.message) for w in caught)]
                reason = " ".join(" ".join(messages).split())
                return f"{attention.backend} at head width {width} in {dtype}: {reason[:400]}"
    return None
