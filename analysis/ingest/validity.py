"""Finds numbers that cannot have been measured: infinite, negative, or zero for work done."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sd_bench.records import Iteration, Record, RecordError

#: Larger than anything that a record counts or times; arithmetic could overflow beyond it.
_LARGEST = 1e30

#: Choices that are counts: if they are numbers, they cannot be zero.
_COUNTS = ("batch_size", "steps", "height", "width", "n_iter")


def check_numbers(record: Record) -> None:
    """Raise RecordError if an ``ok`` record has a number that cannot have been measured.

    The error names the first such number. A missing number is not a fault, and neither is a profile
    of zeros.
    """
    for name, value, least in _numbers(record):
        if value is not None and not least <= value <= _LARGEST:
            raise RecordError(f"{name} is {value:g}, which cannot have been measured")


#: Its name, its value (``None``: not known), and the least that it can be.
_Number = tuple[str, float | None, float]

#: The least positive number, and the least count.
_ABOVE_ZERO, _ONE = math.ulp(0.0), 1.0


def _numbers(record: Record) -> Iterator[_Number]:
    """The numbers of a record that the analysis computes with."""
    if record.times is not None:
        for iteration in record.times.iterations:
            yield from _of_iteration(iteration)
        yield "times.first_call_s", record.times.first_call_s, _ABOVE_ZERO
    if (memory := record.memory) is not None:
        yield "memory.process_peak_bytes", memory.process_peak_bytes, _ONE
        device = memory.device_peak_allocated_bytes
        yield "memory.device_peak_allocated_bytes", device, 0.0
    if record.energy is not None:
        yield "energy.joules_per_image", record.energy.joules_per_image, 0.0
    if record.flops is not None:
        yield "flops.unet_call", record.flops.unet_call, _ONE
        yield "flops.iteration", record.flops.iteration, _ONE
        yield "flops.text_encode", record.flops.text_encode, 0.0
        yield "flops.vae_decode", record.flops.vae_decode, 0.0
    if record.matmul_rate is not None:
        yield "matmul_rate.flop_per_s", record.matmul_rate.flop_per_s, _ONE
    if record.profile is not None:
        for name, seconds in record.profile.seconds_by_class.items():
            yield f"profile.seconds_by_class.{name}", seconds, 0.0
    for axis in _COUNTS:
        count = record.choices.get(axis)
        if isinstance(count, int | float) and not count > 0:
            yield f"choices.{axis}", count, _ABOVE_ZERO


def _of_iteration(iteration: Iteration) -> tuple[_Number, ...]:
    return (
        ("an iteration's total_s", iteration.total_s, _ABOVE_ZERO),
        ("an iteration's text_encode_s", iteration.text_encode_s, 0.0),
        ("an iteration's denoise_s", iteration.denoise_s, 0.0),
        ("an iteration's vae_decode_s", iteration.vae_decode_s, 0.0),
        ("a step of steps_s", _worst(iteration.steps_s), _ABOVE_ZERO),
    )


def _worst(values: Sequence[float]) -> float | None:
    """What is not finite in sum, else the least: quick, since most of a record are steps."""
    total = sum(values)
    return min(values, default=None) if -_LARGEST < total < _LARGEST else total
