"""A candidate's process: ``python -m sd_bench.tuning.timing_worker FD``.

It reads its configuration (a line of JSON) from standard input, builds the networks and warms them
up, and then times as many UNet calls as each further line requests. It answers with lines of JSON
on the file descriptor FD.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sd_bench.capabilities import threads
from sd_bench.capabilities.allocators import why_not_had
from sd_bench.config.conversion import from_dict
from sd_bench.config.schema import Config
from sd_bench.execution.worker import device_of, die_with_parent, is_out_of_memory

if TYPE_CHECKING:
    import torch

#: Warm-up calls before the turns: compiled code records CUDA graphs in the second.
_CALLS_TO_BE_READY = 3
Send = Callable[[dict[str, Any]], None]


def main(requests: Iterator[str], send: Send, began: float) -> None:
    """Build and warm up, then time calls until there are no more requests."""
    try:
        config = from_dict(json.loads(next(requests)))
        _prefer_to_die()
        _serve(config, requests, send, began)
    except Exception as error:  # the launcher turns it into a row
        status = "oom" if is_out_of_memory(error) else "failed"
        words = " ".join(str(error).split()) or "no message"
        send({"lost": status, "reason": f"{type(error).__name__}: {words}"[:300]})


def _serve(config: Config, requests: Iterator[str], send: Send, began: float) -> None:
    import torch

    from sd_bench.implementations.building import build
    from sd_bench.measurement.clock import timed_call
    from sd_bench.measurement.memory import read_memory
    from sd_bench.measurement.sketches import sketch
    from sd_bench.measurement.unet_call import UNetCall

    device = device_of(config)
    if (why := _why_not(config, device)) is not None:
        send({"lost": "unsupported", "reason": why})
        return
    implementation = build(config, device)
    with implementation.running():
        call = UNetCall(implementation)
        seconds = [timed_call(device, call)[0] for _ in range(_CALLS_TO_BE_READY)]
        prediction = call()
        if not bool(torch.isfinite(prediction).all()):
            send({"lost": "invalid", "reason": "its prediction holds NaN or infinity"})
            return
        calls = implementation.compiled_calls
        if calls is not None and calls.eager_calls:
            send({"lost": "invalid", "reason": "torch.compile has left its calls eager"})
            return
        conversion, memory = implementation.conversion, read_memory(device)
        on_gpu = device.type == "cuda"
        send(
            {
                "ready_s": time.perf_counter() - began,
                "first_call_s": seconds[0],
                "call_s": seconds[-1],
                "convert_s": 0.0 if conversion is None else conversion.convert_s,
                "sketch": sketch(prediction),
                "num_calls": implementation.sampler.num_unet_calls,
                "memory_bytes": memory.process_peak_bytes or 0,
                "device_peak": memory.device_peak_reserved_bytes,
                "device_free": torch.cuda.mem_get_info(device)[0] if on_gpu else None,
            }
        )
        for line in requests:
            count = int(json.loads(line)["calls"])
            total_s, _ = timed_call(device, partial(_repeat, call, count))
            send({"call_s": total_s / count})


def _repeat(call: Callable[[], torch.Tensor], count: int) -> None:
    for _ in range(count):
        call()


def _why_not(config: Config, device: torch.device) -> str | None:
    """Why PyTorch cannot run the cell here, by the checks of a round's worker; else ``None``."""
    from sd_bench.capabilities.torch_compat import why_no_kernels
    from sd_bench.implementations.precision import compute_dtype
    from sd_bench.networks.attention_probe import why_backend_fails

    return (
        why_no_kernels(device)
        or why_not_had(config.allocator)
        or threads.why_not_had(config)
        or why_backend_fails(
            config.attention, config.model_version.unet, device, compute_dtype(config, device)
        )
    )


def _prefer_to_die() -> None:
    """Make Linux end this process first if memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    started = time.perf_counter()
    die_with_parent()
    answers = int(sys.argv[1])

    def write(message: dict[str, Any]) -> None:
        os.write(answers, f"{json.dumps(message)}\n".encode())

    main(iter(sys.stdin), write, started)
    os._exit(0)  # like a round's worker: shutting the interpreter down takes a second
