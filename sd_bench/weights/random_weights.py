"""Random weights that depend only on seed, key and index.

They are the same on every device, under every version of PyTorch and in both layouts of the
attention weights. All values come from one table of about a million numbers, made by integer
arithmetic, which each key reads from a different offset.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from sd_bench.weights.layout import published_keys

#: A prime, so that no width of a weight matrix divides it and no two rows read the same numbers.
TABLE_SIZE = 1_048_573

#: The factors by which the q and k projections are scaled up, by the end of the key. Attention
#: logits then have a standard deviation of 1 to 2. The text's tokens are more similar to each other
#: than an image's features, so the UNet's attention to them needs larger factors.
_LOGIT_GAINS = {
    "attn1.to_q.weight": math.sqrt(2.0),
    "attn1.to_k.weight": math.sqrt(2.0),
    "attn2.to_q.weight": 2.0,
    "attn2.to_k.weight": 2.0,
    "attn_1.q.weight": math.sqrt(2.0),
    "attn_1.k.weight": math.sqrt(2.0),
    "attn.in_proj_weight": math.sqrt(2.0),
}


@lru_cache(maxsize=4)
def _table(device: torch.device) -> Tensor:
    """Two periods of the table of standardised values, in fp32 on ``device``."""
    values = torch.from_numpy(np.concatenate([standard_values(TABLE_SIZE)] * 2))
    return values.to(device)


def forget_table() -> None:
    """Free the table's memory, which on a GPU would count as the networks'."""
    _table.cache_clear()


def standard_values(count: int) -> np.ndarray:
    """``count`` nearly normal numbers with mean 0 and standard deviation 1, in fp32.

    Each is the sum of the four 16-bit parts of a 64-bit hash (splitmix64, Steele et al. 2014). All
    steps but the last division use integers, so they are the same with every math library.
    """
    with np.errstate(over="ignore"):
        x = (np.arange(1, count + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    shifts = np.array([[0], [16], [32], [48]], dtype=np.uint64)
    parts = (x >> shifts) & np.uint64(0xFFFF)  # [4, count]
    centred = parts.sum(axis=0).astype(np.float64) - 2 * 65535
    return (centred / math.sqrt(4 * (65536.0**2 - 1) / 12)).astype(np.float32)


@torch.no_grad()
def fill_random(module: nn.Module, prefix: str, seed: int) -> None:
    """Fill every parameter of ``module``, whose keys in a checkpoint begin with ``prefix``."""
    for name, parameter in module.named_parameters():
        sources = published_keys(prefix + name)
        if not sources:
            parameter.zero_()
            continue
        for source, part in zip(sources, parameter.chunk(len(sources)), strict=True):
            _fill(part, source, seed)


def _fill(target: Tensor, key: str, seed: int) -> None:
    mean, deviation = _mean_and_deviation(key, tuple(target.shape))
    digest = hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()
    offset = int.from_bytes(digest, "little") % TABLE_SIZE
    count = target.numel()
    period = _table(target.device)[offset : offset + min(count, TABLE_SIZE)]
    # Two separate roundings: devices differ in how they round a fused multiply-add.
    values = period.mul(float(np.float32(deviation))).add(float(np.float32(mean)))
    values = values.to(target.dtype)
    flat = target.view(-1)
    whole = count // TABLE_SIZE
    if whole:
        flat[: whole * TABLE_SIZE].view(whole, TABLE_SIZE).copy_(values.expand(whole, -1))
    flat[whole * TABLE_SIZE :].copy_(values[: count - whole * TABLE_SIZE])


def _mean_and_deviation(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Mean and standard deviation of a tensor's values, chosen to keep activations of order one.

    Weights have the standard deviation 1/sqrt(fan-in), the scales of norms are around one.
    """
    if key.endswith("embedding.weight") or key.endswith("positional_embedding"):
        return 0.0, 1.0
    if len(shape) == 1:
        return (1.0, 0.1) if key.endswith("weight") else (0.0, 0.05)
    gain = next((g for end, g in _LOGIT_GAINS.items() if key.endswith(end)), 1.0)
    return 0.0, gain / math.sqrt(math.prod(shape[1:]))
