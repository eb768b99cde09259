"""How fast a device multiplies matrices: the rate that networks' FLOP/s are compared with.

Networks multiply matrices in plain products, in linear layers with transposed weights, and in
convolutions. Libraries have separate kernels for each, and on some processors one is much faster
than the others. The rate is that of the fastest kernel at its best size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import torch
from torch.nn import functional

from sd_bench.records import MatmulRate, write_atomically

#: The sides of the square matrices, tried in this order while there is time.
_SIZES = {"cpu": (256, 512, 1024, 2048, 4096), "cuda": (1024, 2048, 4096, 8192)}
#: The shortest and longest time that a measurement may take, in seconds.
_LEAST_S, _MOST_S = 0.1, 1.0
#: How often a product is repeated, so that a disturbance seldom affects all repeats.
_FEWEST, _MOST = 3, 10
#: Random rows that are drawn, then repeated: drawing all would take longer than multiplying.
_ROWS_DRAWN = 256


def matmul_rate(
    device: torch.device, dtype: torch.dtype, cache_folder: Path, key: str, limit_s: float
) -> MatmulRate | None:
    """The best rate of this device, measured once per ``key`` and ``dtype`` in a sweep.

    It is cached in ``cache_folder``; ``key`` names the environment. Measuring takes about
    ``limit_s`` seconds, but at least 0.1 and at most 1. ``None`` if this PyTorch cannot multiply
    this dtype on the device. Raises OSError if the folder cannot be written.
    """
    name = str(dtype).removeprefix("torch.")
    file = cache_folder / f".matmul-{key}-{name}.json"
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(file.read_bytes(), type=MatmulRate)
    found = measure_matmul_rate(device, dtype, min(max(limit_s, _LEAST_S), _MOST_S))
    if found is not None:
        write_atomically(file, msgspec.json.encode(found).decode())
    return found


@torch.no_grad()
def measure_matmul_rate(
    device: torch.device, dtype: torch.dtype, limit_s: float
) -> MatmulRate | None:
    """The best rate found in about ``limit_s`` seconds; ``None`` if no product could be timed.

    For use outside of autocast.
    """
    best: tuple[float, int] | None = None
    ends = time.perf_counter() + limit_s
    last_s, last_size = 0.0, 1
    for size in _SIZES[device.type]:
        expected_s = last_s * (size / last_size) ** 3
        if time.perf_counter() + expected_s * _FEWEST > ends:
            break
        seconds = _time_products(device, dtype, size, ends)
        if not seconds:
            break
        last_s, last_size = sum(seconds), size
        best = max(best or (0.0, size), (2 * size**3 / min(seconds), size))
    if best is None:
        return None
    return MatmulRate(dtype=str(dtype).removeprefix("torch."), size=best[1], flop_per_s=best[0])


def _time_products(device: torch.device, dtype: torch.dtype, size: int, ends: float) -> list[float]:
    """The fastest time of each product that this PyTorch supports and that fits into memory."""
    seconds = []
    with suppress(RuntimeError):
        for product in _products(device, dtype, size):
            with suppress(RuntimeError):
                seconds.append(_fastest(device, product, ends))
    return seconds


def _products(
    device: torch.device, dtype: torch.dtype, size: int
) -> Iterator[Callable[[], torch.Tensor]]:
    """The same product as a matmul, a linear layer and a convolution."""
    drawn = torch.randn(2, _ROWS_DRAWN, size, generator=torch.Generator().manual_seed(0))
    drawn = drawn.div_(size**0.25).to(device=device, dtype=dtype)
    left, right = drawn.repeat(1, size // _ROWS_DRAWN, 1)
    yield lambda: left @ right
    yield lambda: functional.linear(left, right)
    side = 2 ** ((size.bit_length() - 1) // 2)
    pixels = left.view(1, side, size // side, size).permute(0, 3, 1, 2)
    kernel = right.view(size, size, 1, 1).to(memory_format=torch.channels_last)
    yield lambda: functional.conv2d(pixels, kernel)


def _fastest(device: torch.device, product: Callable[[], torch.Tensor], ends: float) -> float:
    """The fastest of a few repeats in seconds, after one that is not counted."""
    seconds = [_seconds_of(device, product)]
    for _ in range(_MOST):
        if len(seconds) > _FEWEST and time.perf_counter() + min(seconds) > ends:
            break
        seconds.append(_seconds_of(device, product))
    return min(seconds[1:])


def _seconds_of(device: torch.device, product: Callable[[], torch.Tensor]) -> float:
    """Seconds of one call, by the device's own clock if it has one."""
    if device.type != "cuda":
        begin = time.perf_counter_ns()
        product()
        return (time.perf_counter_ns() - begin) / 1e9
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begun.record()
    product()
    ended.record()
    ended.synchronize()
    return float(begun.elapsed_time(ended)) / 1e3
