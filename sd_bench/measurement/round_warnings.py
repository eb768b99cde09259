"""What a reader of a round's numbers should know: sentences for ``Record.warnings``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sd_bench.records import Record

#: The two clocks may differ by this share of an iteration; more is a fault of one of them.
_CLOCKS_AGREE = 0.02
#: More runnable threads than this for each processor means that others work there too.
_BUSY_LOAD = 1.5
#: The first timed iteration, or step, may take so many times as long as the slowest of the others:
#: docs/measurement.md says what undisturbed rounds show.
_FIRST_ITERATION, _FIRST_STEP = 1.15, 1.25
#: How many UNet calls the first step makes.
_CALLS_OF_FIRST_STEP = {"plms": 2}


def remarks(record: Record) -> list[str]:
    """One sentence for each thing that has disturbed the round, or that its times hide."""
    return [
        *_of_iterations(record),
        *_of_warmup(record),
        *_of_compilation(record),
        *_of_telemetry(record),
    ]


def disturbances(record: Record) -> list[str]:
    """By what the round was disturbed, as far as anything but its times can tell."""
    iterations = record.times.iterations if record.times is not None else []
    flags = dict.fromkeys(flag for iteration in iterations for flag in iteration.flags)
    return [*flags, *_of_telemetry(record)]


def _of_iterations(record: Record) -> Iterator[str]:
    iterations = record.times.iterations if record.times is not None else []
    for flag, count in Counter(flag for i in iterations for flag in i.flags).items():
        yield f"{flag}, in {count} of {len(iterations)} timed iterations"
    apart = [
        abs(i.device_total_s / i.total_s - 1) for i in iterations if i.device_total_s is not None
    ]
    if apart and max(apart) > _CLOCKS_AGREE:
        yield f"the device's clock and the host's differ by {max(apart):.1%}"


def _of_warmup(record: Record) -> Iterator[str]:
    """Whether the round was still warming up. A first iteration that something else is said to have
    disturbed tells nothing.
    """
    if record.times is None or not record.times.iterations or record.times.iterations[0].flags:
        return
    first, *others = record.times.iterations
    if others:
        what, ratio = "timed iteration", first.total_s / max(each.total_s for each in others)
        is_slow = ratio > _FIRST_ITERATION
    else:
        calls = _CALLS_OF_FIRST_STEP.get(str(record.choices.get("sampler")), 1)
        # the first warm-up call is slow by its nature
        rest = first.steps_s[1:] or record.times.warmup_unet_calls_s[1:]
        if not first.steps_s or not rest:
            return
        what, ratio = "step, by UNet call,", first.steps_s[0] / calls / max(rest)
        is_slow = ratio > _FIRST_STEP
    if is_slow:
        yield (
            f"warm-up may not have ended: the first {what} took {ratio - 1:.0%} longer than any "
            "other (protocol.warmup and protocol.warmup_unet_calls lengthen it)"
        )


def _of_compilation(record: Record) -> Iterator[str]:
    done = record.compilation
    if done is not None and done.graph_breaks:
        yield f"torch.compile broke the network into parts: {done.graph_breaks} graph breaks"
    if done is not None and done.recompilations:
        yield f"torch.compile compiled anew: {done.recompilations} times"
    if done is not None and done.graph_breaks and done.given_up:
        yield f"torch.compile left {done.given_up} part(s) of the network eager"
    if done is not None and record.choices.get("precision") == "autocast":
        yield (
            "torch.compile under autocast casts every weight in every UNet call, eager casts each "
            "once: compare at precision=fp16 or bf16 for what compiling alone changes"
        )


def _of_telemetry(record: Record) -> Iterator[str]:
    if record.telemetry is None:
        return
    if lost := record.telemetry.notes.get("observer"):
        yield f"no telemetry: {lost}"
    loads = [load for load in record.telemetry.series.get("load_average", []) if load is not None]
    processors = record.environment["processor"]["affinity"]
    if loads and processors and max(loads) > _BUSY_LOAD * processors:
        yield f"the host was busy: load average {max(loads):.1f} on {processors} processors"
