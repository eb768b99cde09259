"""What the PyTorch that runs the tests can run on a CPU, and what the GPU allows."""

from __future__ import annotations

import pytest

from sd_bench.capabilities.nvidia_driver import first_uuid
from sd_bench.capabilities.torch_compat import HAS_SDPA, TORCH_VERSION
from sd_bench.capabilities.torch_features import can
from sd_bench.measurement.gpu_facts import gpu_facts

HAS_CPU_FLASH = can(TORCH_VERSION, "flash attention on a CPU")
#: Backends that a CPU runs on request, and no others.
CPU_BACKENDS = ("original", "math", *(("flash",) if HAS_CPU_FLASH else ()))
#: Those of them that diffusers has too.
DIFFUSERS_BACKENDS = tuple(b for b in CPU_BACKENDS if b in ("original", "math", "flash"))
#: PyTorch 1.12 needs no scaled_dot_product_attention for it.
HAS_CPU_AUTOCAST = not HAS_SDPA or can(
    TORCH_VERSION, "autocast of scaled_dot_product_attention on a CPU"
)
CPU_PRECISIONS = ("bf16", *(("autocast",) if HAS_CPU_AUTOCAST else ()), "fp32")

needs_sdpa = pytest.mark.skipif(not HAS_SDPA, reason="PyTorch before 2.0 has no SDPA")
needs_cpu_flash = pytest.mark.skipif(
    not HAS_CPU_FLASH, reason="before PyTorch 2.1 a CPU runs math whichever backend is allowed"
)


def why_no_second_process() -> str | None:
    """Why no other process may use the GPU during the tests; ``None`` if one may."""
    uuid = first_uuid()
    mode = None if uuid is None else gpu_facts(uuid, {"mode": "compute_mode"})["mode"]
    return None if mode in (None, "Default") else f"the GPU's compute mode is {mode}"
