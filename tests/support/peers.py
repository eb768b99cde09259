"""A sample sweep of implementations: exact times, stages where there are any, one that differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs

from sd_bench.records import Conversion, Iteration, Record
from tests.support.records import (
    sample_environment,
    sample_latents,
    sample_record,
    sample_times,
    write_sample,
)

COMPILED = "channels_last+freezing"
DOCUMENTED = "channels_last+fused_projections"


class PeerCell(NamedTuple):
    """``seconds`` of an iteration at batch size 1, and how much of it each stage takes."""

    implementation: str
    seconds: float
    shares: tuple[float, float, float] | None = (0.1, 0.6, 0.3)
    compile: str = "off"
    optimizations: str | None = None


#: openvino is faster than sd_bench eager, slower than sd_bench compiled; the pipeline is one call.
CELLS = (
    PeerCell("sd_bench", 4.0),
    PeerCell("sd_bench", 2.0, compile="default", optimizations=COMPILED),
    PeerCell("diffusers", 4.0),
    PeerCell("diffusers", 1.0, compile="default", optimizations=COMPILED),
    PeerCell("diffusers_documented", 3.0, compile="max_autotune", optimizations=DOCUMENTED),
    PeerCell("diffusers_pipeline", 8.0, shares=None),
    PeerCell("openvino", 2.5, shares=(0.2, 0.4, 0.4)),
)


def write_peers(
    root: Path,
    rounds: int = 8,
    batch_sizes: tuple[int, ...] = (1,),
    cells: tuple[PeerCell, ...] = CELLS,
    changes: dict[str, float] | None = None,
) -> Path:
    """Write the sweep. Rounds vary within 1 %, equally for all cells, so nothing is unclear.

    ``changes`` are the distances of an implementation's latents from those of the others.
    """
    for cell in cells:
        for batch_size in batch_sizes:
            for number in range(rounds):
                record = _record(cell, batch_size, number)
                change = (changes or {}).get(cell.implementation, 0.0)
                latents = sample_latents(batch_size, change) if number == 0 else None
                write_sample(root, record, latents)
    return root


def _record(cell: PeerCell, batch_size: int, number: int) -> Record:
    total_s = batch_size * cell.seconds * (1 + 0.002 * (number % 4))
    shares = cell.shares or (None, None, None)
    stages = [None if share is None else share * total_s for share in shares]
    iteration = Iteration(
        total_s=total_s,
        text_encode_s=stages[0],
        denoise_s=stages[1],
        vae_decode_s=stages[2],
        steps_s=[],
    )
    times = structs.replace(sample_times(total_s), iterations=[iteration])
    extra: dict[str, Any] = {}
    if cell.compile != "off":
        cache, first_s = ("warm", 10.0) if number else ("cold", 60.0)
        times = structs.replace(times, compile_cache=cache, first_call_s=first_s)
    if cell.implementation == "openvino":
        cache, convert_s = ("warm", 0.5) if number else ("cold", 30.0)
        extra["conversion"] = Conversion(convert_s=convert_s, compile_s=4.0, cache=cache)
    packages = {"diffusers": "0.42.1", "openvino": "2026.4.1"}
    return sample_record(
        total_s,
        round_index=number,
        implementation=cell.implementation,
        compile=cell.compile,
        optimizations=cell.optimizations,
        attention="auto",
        batch_size=batch_size,
        environment=sample_environment() | {"packages": packages},
        extra={"times": times, **extra},
    )
