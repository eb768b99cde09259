"""Does the telemetry change the times that it is supposed to explain?

Times the same UNet call while the telemetry's process runs and while it is stopped, in pairs with
alternating order. Prints the ratio with its interval, and the share of one processor that the
process takes.

    python benchmarks/telemetry_cost.py [--pairs 30] [OVERRIDES ...]
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import statistics
import time

import torch

from sd_bench.capabilities.composition import compose_config
from sd_bench.config.schema import Config
from sd_bench.implementations.ours import Ours
from sd_bench.measurement.clock import timed_call
from sd_bench.measurement.telemetry import Observer
from sd_bench.statistics.intervals import mean_interval

#: How long the process is observed alone.
WATCHED_S = 10.0
#: The wait between stopping or continuing the process and the call.
SETTLE_S = 0.02


def main() -> None:
    """Measure and print both figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("overrides", nargs="*", help="as for sd_bench")
    options = parser.parse_args()
    config = compose_config(*options.overrides)
    device = torch.device(config.gpu.kind)
    share = processor_share(device)
    print(f"the process takes {share:.2%} of one processor, sampling at 5 Hz")
    seconds = paired_times(config, device, options.pairs)
    without, with_it = (statistics.median(s) for s in zip(*seconds, strict=True))
    logs = mean_interval([math.log(on / off) for off, on in seconds])
    ratio, low, high = (math.exp(value) for value in (logs.mean, logs.low, logs.high))
    print(f"{options.pairs} pairs, medians: {without:.4f} s without, {with_it:.4f} s with")
    print(f"with / without: {ratio:.4f} (95 % interval {low:.4f} to {high:.4f})")


def processor_share(device: torch.device) -> float:
    """The CPU time of the process per second, without its start."""
    used = []
    for watched_s in (0.0, WATCHED_S):
        observer = Observer(device)
        observer.read_counters()
        time.sleep(watched_s)
        used.append(observer.stop().cpu_s)
    return (used[1] - used[0]) / WATCHED_S


def paired_times(config: Config, device: torch.device, pairs: int) -> list[tuple[float, float]]:
    """Seconds of a UNet call without and with telemetry, ``pairs`` times."""
    pipeline = Ours(config, device)
    size = (config.workload.height // 8, config.workload.width // 8)
    x = torch.randn(2, 4, *size, device=device)
    context = torch.randn(2, 77, config.model_version.unet.context_dim, device=device)
    context, timesteps = context.to(pipeline.dtype), torch.ones(2, device=device)

    observer = Observer(device)
    observer.read_counters()  # it starts before the first call, as in a round

    def seconds(wanted: bool) -> float:
        os.kill(observer.pid, signal.SIGCONT if wanted else signal.SIGSTOP)
        time.sleep(SETTLE_S)
        return timed_call(device, lambda: pipeline.predict(x, timesteps, context))[0]

    with pipeline.running():
        seconds(False)
        found = []
        for pair in range(pairs):
            first = bool(pair % 2)
            times = {wanted: seconds(wanted) for wanted in (first, not first)}
            found.append((times[False], times[True]))
    os.kill(observer.pid, signal.SIGCONT)
    observer.stop()
    return found


if __name__ == "__main__":
    main()
