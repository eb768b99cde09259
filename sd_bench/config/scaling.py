"""Scale: how much smaller a workload is than the published one, in words."""

from __future__ import annotations

from typing import NamedTuple

from sd_bench.config.schema import Config, GpuDefaults


class Size(NamedTuple):
    """The size of a call: the batch size, and the image's height and width in pixels."""

    batch_size: int
    height: int
    width: int

    @property
    def pixels(self) -> int:
        return self.batch_size * self.height * self.width


#: The scaled-down workloads that a calibration chooses from, smallest first (conf/scale).
SCALES = ("small", "medium", "large")
#: The value of ``scale`` if none is named.
AUTO_SCALE = "auto"
_PUBLISHED_ROUNDS = 10


def scaled_sentences(config: Config) -> list[str]:
    """How the workload is smaller than the published one, a phrase each; empty if it is not.

    The published workload is an image of the model's native size in 50 steps, two timed iterations
    after one warm-up iteration, under autocast.
    """
    published = GpuDefaults()
    size, workload, protocol = config.model_version.native_size, config.workload, config.protocol
    sentences = []
    if workload.height * workload.width < size * size:
        sentences.append(
            f"image {workload.width}x{workload.height} instead of {size}x{size} pixels"
        )
    if config.sampler.steps < published.steps:
        sentences.append(f"{config.sampler.steps} sampler steps instead of {published.steps}")
    if protocol.n_iter < published.n_iter:
        sentences.append(f"{protocol.n_iter} timed iteration(s) instead of {published.n_iter}")
    if protocol.warmup < published.warmup:
        sentences.append(
            f"warm-up of {protocol.warmup_unet_calls} UNet call(s) instead of a whole iteration"
        )
    if protocol.rounds is not None and protocol.rounds < _PUBLISHED_ROUNDS:
        sentences.append(f"{protocol.rounds} round(s) instead of {_PUBLISHED_ROUNDS}")
    if config.precision.name != published.precision:
        sentences.append(
            f"precision {config.precision.name} instead of {published.precision} (fp16)"
        )
    if workload.height * workload.width < 256 * 256:
        sentences.append(
            "at this size attention is a small share of the time: its backends hardly "
            "differ (experiment=cpu_attention shows them on a CPU)"
        )
    return sentences
