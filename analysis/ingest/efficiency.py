"""How well a cell used its machine, from the means of its rounds: TFLOP/s, and shares in percent.

For every implementation the work is counted on this project's networks; unknown values are NaN.
"""

from __future__ import annotations

import math

from analysis.ingest.rows import CellRow


def add_efficiency(cell: CellRow) -> None:
    """Set the columns of a cell's efficiency, from its means over rounds.

    They are TFLOP/s of the iteration, of each stage and of the machine's matrix product; and the
    iteration's rate in percent of the matrix product's and of the datasheet's peak.
    """
    achieved = _ratio(cell.iteration_flop, cell.median_iteration_s)
    cell.tflop_per_s = achieved / 1e12
    cell.text_encode_tflop_per_s = _ratio(cell.text_encode_flop, cell.text_encode_s) / 1e12
    cell.denoise_tflop_per_s = _ratio(cell.denoise_flop, cell.denoise_s) / 1e12
    cell.vae_decode_tflop_per_s = _ratio(cell.vae_decode_flop, cell.vae_decode_s) / 1e12
    cell.matmul_tflop_per_s = cell.matmul_flop_per_s / 1e12
    cell.matmul_percent = 100 * _ratio(achieved, cell.matmul_flop_per_s)
    cell.peak_percent = 100 * _ratio(achieved, cell.peak_flop_per_s)


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.nan
