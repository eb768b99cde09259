"""What the PyTorch that runs the tests can run on a CPU."""

from __future__ import annotations

import pytest

from sd_bench.capabilities.torch_compat import HAS_SDPA, TORCH_VERSION
from sd_bench.capabilities.torch_features import can

HAS_CPU_FLASH = can(TORCH_VERSION, "flash attention on a CPU")
#: Those that a CPU runs if they are asked for, and nothing else.
CPU_BACKENDS = ("original", "math", *(("flash",) if HAS_CPU_FLASH else ()))
#: PyTorch 1.12 needs no scaled_dot_product_attention for it.
HAS_CPU_AUTOCAST = not HAS_SDPA or can(
    TORCH_VERSION, "autocast of scaled_dot_product_attention on a CPU"
)
CPU_PRECISIONS = ("bf16", *(("autocast",) if HAS_CPU_AUTOCAST else ()), "fp32")

needs_sdpa = pytest.mark.skipif(not HAS_SDPA, reason="PyTorch before 2.0 has no SDPA")
needs_cpu_flash = pytest.mark.skipif(
    not HAS_CPU_FLASH, reason="before PyTorch 2.1 a CPU runs math whichever backend is allowed"
)
