"""What each version of PyTorch can do: one table, read without importing torch.

``support_rules.py`` uses it to find unsupported cells, ``torch_compat.py`` to adapt to older
versions, and ``tests/capabilities/test_torch_features.py`` checks it against the PyTorch that runs
the tests.
"""

from __future__ import annotations

#: Major and minor version of PyTorch.
Version = tuple[int, int]

#: The first version that has each feature.
SINCE: dict[str, Version] = {
    "inference_mode": (1, 9),
    "weights_only": (1, 13),  # of torch.load, which sd_bench does not use: see docs/weights.md
    "scaled_dot_product_attention": (2, 0),
    "switches of math, flash and memory-efficient attention": (2, 0),
    "torch.compile": (2, 0),
    "torch.device as a context": (2, 0),
    "flash attention on a CPU": (2, 1),
    "autocast of scaled_dot_product_attention on a CPU": (2, 1),
    "count of recompilations": (2, 1),
    "fusing of attention by the compiler": (2, 1),  # switched off in unfused cells
    "flop_counter": (2, 1),
    "fp16 on a CPU": (2, 2),
    "flash attention by FlashAttention-2": (2, 2),  # which needs compute capability 8.0
    "cudnn attention": (2, 5),
    "flex attention": (2, 5),
    "flex attention on a CPU": (2, 6),
    "upcast of math attention as a switch": (2, 5),  # on by default; before, there is no upcast
    "packed oneDNN weights": (2, 15),  # not public: older operators differ and are not tried
}


def version_tuple(version: str) -> Version:
    """Major and minor of a version such as ``2.15.0+cu130``."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def can(torch: Version, capability: str) -> bool:
    """Whether version ``torch`` of PyTorch can do ``capability``, a key of ``SINCE``."""
    return torch >= SINCE[capability]
