"""Turn a round's telemetry into its record: series, energy, and what disturbed each iteration."""

from __future__ import annotations

from itertools import pairwise, zip_longest

import torch
from msgspec import structs

from sd_bench.capabilities.processors import num_processors
from sd_bench.measurement.disturbances import OTHERS_ON_GPU, counted_flags
from sd_bench.measurement.telemetry import PERIOD_S, Observed
from sd_bench.records import Energy, Iteration, Telemetry

_REASONS = "clock_event_reasons"
#: A longer gap between samples means that the observer itself could not run: a frozen container, a
#: paused machine, no free processor.
_STOOD_STILL_S = 5 * PERIOD_S
STOOD_STILL = "the telemetry's process stood still"

#: NVML's documented clock event reasons by bit: a word, and whether it is throttling, that is,
#: whether heat, power or another device kept the GPU from running faster. An idle GPU and clocks
#: that someone has set are not throttling.
CLOCK_EVENT_REASONS = {
    0x001: ("gpu_idle", False),
    0x002: ("applications_clocks_setting", False),
    0x004: ("sw_power_cap", True),
    0x008: ("hw_slowdown", True),
    0x010: ("sync_boost", True),
    0x020: ("sw_thermal_slowdown", True),
    0x040: ("hw_thermal_slowdown", True),
    0x080: ("hw_power_brake_slowdown", True),
    0x100: ("display_clock_setting", False),
}
_THROTTLING = {word for word, throttles in CLOCK_EVENT_REASONS.values() if throttles}


def reasons_in_words(bits: int) -> list[str]:
    """NVML's clock event reasons, one word each; undocumented bits as one hexadecimal number."""
    known = [word for bit, (word, _) in CLOCK_EVENT_REASONS.items() if bits & bit]
    unknown = bits & ~sum(CLOCK_EVENT_REASONS)
    return [*known, f"unknown_{unknown:#x}"] if unknown else known


def _words_of(sample: dict[str, float]) -> list[str]:
    return reasons_in_words(int(sample.get(_REASONS, 0)))


def with_counters(
    iterations: list[Iteration], observed: Observed, device: torch.device
) -> list[Iteration]:
    """``iterations`` with their counters, and flags for what disturbed them.

    Their ``begun_s`` must still be the clock's own value.
    """
    read = zip(observed.readings[::2], observed.readings[1::2], strict=False)
    counters = [
        {**(own or {}), **(_differences(*pair) if pair else {})}
        for own, pair in zip_longest(observed.counted, read)
    ] or [{} for _ in iterations]
    return [
        structs.replace(
            iteration, counters=counted, flags=_flags(iteration, counted, observed, device)
        )
        for iteration, counted in zip(iterations, counters, strict=True)
    ]


def _differences(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after if name != "at"}


def _flags(
    iteration: Iteration, counters: dict[str, float], observed: Observed, device: torch.device
) -> list[str]:
    assert iteration.begun_s is not None
    begin, end = iteration.begun_s, iteration.begun_s + iteration.total_s
    during = [  # a sample stands for half a period on either side of it
        sample
        for sample in observed.samples
        if begin - PERIOD_S / 2 <= sample["at"] <= end + PERIOD_S / 2
    ]
    words = [word for sample in during for word in _words_of(sample)]
    flags = [f"throttled: {word}" for word in dict.fromkeys(words) if word in _THROTTLING]
    if any(sample.get("other_processes", 0) > 0 for sample in during):
        flags.append(OTHERS_ON_GPU)
    flags += counted_flags(counters, iteration.total_s, num_processors(), device.type == "cpu")
    times = [sample["at"] for sample in observed.samples]
    gaps = [(a, b) for a, b in pairwise(times) if b - a > _STOOD_STILL_S]
    if any(before < end and after > begin for before, after in gaps):
        flags.append(STOOD_STILL)
    return flags


def telemetry_record(iterations: list[Iteration], observed: Observed) -> Telemetry:
    """The samples from one period before the first iteration to one after the last."""
    begin, end = _span(iterations)
    samples = [s for s in observed.samples if begin - PERIOD_S <= s["at"] <= end + PERIOD_S]
    names = dict.fromkeys(name for s in samples for name in s if name not in ("at", _REASONS))
    has_reasons = any(_REASONS in sample for sample in samples)
    return Telemetry(
        period_s=PERIOD_S,
        at_s=[s["at"] - begin for s in samples],
        series={name: [s.get(name) for s in samples] for name in names},
        throttle_reasons=[_words_of(s) for s in samples] if has_reasons else [],
        counters=_summed(iterations),
        notes={name: why for name, why in observed.notes.items() if name != "joules"},
    )


def energy_not_read() -> Energy:
    """The energy of a round without telemetry: not read."""
    notes = {"joules": "not read: telemetry=false"}
    return Energy(joules=None, joules_per_image=None, source=None, notes=notes)


def energy_record(
    iterations: list[Iteration], observed: Observed, device: torch.device, batch_size: int
) -> Energy:
    """The energy of the timed iterations in joules, in total and per image."""
    joules = _summed(iterations).get("joules")
    if joules is None:
        notes = observed.notes
        why = next(
            (notes[name] for name in ("joules", "gpu", "observer") if name in notes), "not read"
        )
        return Energy(joules=None, joules_per_image=None, source=None, notes={"joules": why})
    return Energy(
        joules=joules,
        joules_per_image=joules / (len(iterations) * batch_size),
        source="nvml" if device.type == "cuda" else "rapl",
    )


def _span(iterations: list[Iteration]) -> tuple[float, float]:
    first, last = iterations[0], iterations[-1]
    assert first.begun_s is not None
    assert last.begun_s is not None
    return first.begun_s, last.begun_s + last.total_s


def _summed(iterations: list[Iteration]) -> dict[str, float]:
    """The sum of each counter that every iteration has."""
    first, *others = (iteration.counters for iteration in iterations)
    common = [name for name in first if all(name in other for other in others)]
    return {name: sum(i.counters[name] for i in iterations) for name in common}
