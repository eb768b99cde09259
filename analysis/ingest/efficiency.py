"""What a cell made of its machine, from the means of its rounds: TFLOP/s, and shares in percent.

The work is counted on this project's networks for every implementation; what is not known is NaN.
"""

from __future__ import annotations

import math

from analysis.rows import Row

#: The stages whose rate stands beside that of the whole iteration.
STAGES = ("text_encode", "denoise", "vae_decode")

#: TFLOP/s of the iteration, of each stage and of the machine's matrix product; and the iteration's
#: share, in percent, of that and of the datasheet's peak.
EFFICIENCY = (
    *("tflop_per_s", *(f"{stage}_tflop_per_s" for stage in STAGES), "matmul_tflop_per_s"),
    *("matmul_percent", "peak_percent"),
)


def efficiency_columns(cell: Row) -> dict[str, float]:
    """The columns `EFFICIENCY` of a cell, from those of `measures.NUMBERS`."""
    achieved = _ratio(cell["iteration_flop"], cell["median_iteration_s"])
    by_stage = {
        f"{stage}_tflop_per_s": _ratio(cell[f"{stage}_flop"], cell[f"{stage}_s"]) / 1e12
        for stage in STAGES
    }
    return {
        "tflop_per_s": achieved / 1e12,
        **by_stage,
        "matmul_tflop_per_s": cell["matmul_flop_per_s"] / 1e12,
        "matmul_percent": 100 * _ratio(achieved, cell["matmul_flop_per_s"]),
        "peak_percent": 100 * _ratio(achieved, cell["peak_flop_per_s"]),
    }


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.nan
