"""A candidate's process: ``python -m sd_bench.tuning.timing_worker FD``.

Reads its configuration (a line of JSON) from its standard input, builds the networks, makes them
ready, and then times as many UNet calls as each further line asks for. It answers in lines of JSON
on the file descriptor that it is given.
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

#: Calls before any that is timed in turn: compiled graphs are recorded in the second.
_CALLS_TO_BE_READY = 3
Tell = Callable[[dict[str, Any]], None]


def main(requests: Iterator[str], tell: Tell, began: float) -> None:
    """Be ready, and time calls until there are no more requests."""
    try:
        config = from_dict(json.loads(next(requests)))
        _prefer_to_die()
        _serve(config, requests, tell, began)
    except Exception as error:  # the launcher makes a row of it
        status = "oom" if is_out_of_memory(error) else "failed"
        words = " ".join(str(error).split()) or "no message"
        tell({"lost": status, "reason": f"{type(error).__name__}: {words}"[:300]})


def _serve(config: Config, requests: Iterator[str], tell: Tell, began: float) -> None:
    import torch

    from sd_bench.implementations.building import build
    from sd_bench.measurement.clock import timed_call
    from sd_bench.measurement.memory import read_memory
    from sd_bench.measurement.sketches import sketch
    from sd_bench.measurement.unet_call import UNetCall

    device = device_of(config)
    if (why := _why_not(config, device)) is not None:
        tell({"lost": "unsupported", "reason": why})
        return
    implementation = build(config, device)
    with implementation.running():
        call = UNetCall(implementation)
        seconds = [timed_call(device, call)[0] for _ in range(_CALLS_TO_BE_READY)]
        prediction = call()
        if not bool(torch.isfinite(prediction).all()):
            tell({"lost": "invalid", "reason": "its prediction holds NaN or infinity"})
            return
        calls = implementation.compiled_calls
        if calls is not None and calls.eager_calls:
            tell({"lost": "invalid", "reason": "torch.compile has left its calls eager"})
            return
        conversion, memory = implementation.conversion, read_memory(device)
        on_gpu = device.type == "cuda"
        tell(
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
            tell({"call_s": total_s / count})


def _repeat(call: Callable[[], torch.Tensor], count: int) -> None:
    for _ in range(count):
        call()


def _why_not(config: Config, device: torch.device) -> str | None:
    """Why PyTorch cannot run it here, as a round's worker finds out."""
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
    """Where memory runs out, Linux shall end this process and no other."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    started = time.perf_counter()
    die_with_parent()
    answers = int(sys.argv[1])

    def write(message: dict[str, Any]) -> None:
        os.write(answers, f"{json.dumps(message)}\n".encode())

    main(iter(sys.stdin), write, started)
    os._exit(0)  # as a worker does: taking the interpreter apart costs a second
