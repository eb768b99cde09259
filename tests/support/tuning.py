"""What the tests of `sd_bench.tuning` share: a tiny workload, and rows of a race."""

from __future__ import annotations

from sd_bench.tuning.rows import BASE, IN, Row

#: A UNet of one level: its process is ready as soon as PyTorch is imported.
WORKLOAD = (
    "gpu=cpu", "model_version=sd2_tiny", "workload.height=64", "workload.width=64",
    "sampler.steps=2", "precision=fp32", "model_version.unet.channel_mult=[1]",
    "model_version.unet.num_res_blocks=1",
)  # fmt: skip


def default_row(ready_s: float = 8.0, call_s: float = 1.0) -> Row:
    return Row(
        overrides=(), status=BASE, call_s=call_s, speedup=1.0, score=1.0, ready_s=ready_s,
        compile_s=0.0, num_calls=3,
    )  # fmt: skip


def won(*overrides: str, score: float, ready_s: float = 8.0, compile_s: float = 0.0) -> Row:
    """A candidate that was faster than the default."""
    return Row(
        overrides=overrides, status=IN, call_s=1 / score, speedup=score, low=score, high=score,
        score=score, ready_s=ready_s, compile_s=compile_s, num_calls=3,
    )  # fmt: skip
