"""What does ``tune --write`` gain for a diffusers user who changes nothing else?

Two processes have the same StableDiffusionPipeline with the same random weights, in fp32 as loaded:
one unchanged, the other started with the variables of FILE and passed through its function. Their
calls alternate. It prints the median of each, the ratio of the pairs with its 95 % interval, the
time of the first call, and how much the pictures differ. With one process each, this is an
estimate.

    python -m sd_bench tune --write FILE
    python -m benchmarks.tuned_lines FILE [--calls 9] [--size 256] [--steps 2] [--dtype float32]
"""

from __future__ import annotations

import argparse
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from sd_bench.statistics.intervals import mean_interval

_VARIABLES = re.compile(r"^# start with: (.*) python YOUR_SCRIPT\.py$", re.M)


class Pipeline:
    """A process with a pipeline that it calls on request."""

    def __init__(self, options: argparse.Namespace, lines: str | None, picture: Path) -> None:
        variables = dict(os.environ)
        if lines is not None and (found := _VARIABLES.search(lines)):
            variables |= dict(pair.split("=", 1) for pair in found[1].split())
        arguments = [sys.executable, "-m", "benchmarks.tuned_lines", str(options.file)]
        for name in ("size", "steps", "dtype", "model"):
            arguments += [f"--{name}", str(getattr(options, name))]
        arguments += ["--child", "plain" if lines is None else "tuned", "--picture", str(picture)]
        self._process = subprocess.Popen(
            arguments, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.times: list[float] = []
        self.first_call_s = self._answer()

    def call(self) -> None:
        stdin: IO[str] | None = self._process.stdin
        assert stdin is not None
        stdin.write("call\n")
        stdin.flush()
        self.times.append(self._answer())

    def end(self) -> None:
        self._process.communicate()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise SystemExit(f"the pipeline's process ended with {self._process.wait()}")


def main() -> None:
    """Time both, and print the gain."""
    options = _parse()
    if options.child is not None:
        _serve(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        pictures = [Path(folder) / "plain.npy", Path(folder) / "tuned.npy"]
        plain = Pipeline(options, None, pictures[0])
        tuned = Pipeline(options, options.file.read_text(encoding="utf-8"), pictures[1])
        for turn in range(options.calls):
            for each in (plain, tuned) if turn % 2 else (tuned, plain):
                each.call()
        for each in (plain, tuned):
            each.end()
        before, after = map(np.load, pictures)
    _report(plain, tuned, float(np.linalg.norm(after - before) / np.linalg.norm(before)), options)


def _report(plain: Pipeline, tuned: Pipeline, apart: float, options: argparse.Namespace) -> None:
    ratios = [math.log(b / a) for b, a in zip(plain.times, tuned.times, strict=True)]
    interval = mean_interval(ratios)
    print(
        f"{options.model} at {options.size}x{options.size}, {options.steps} steps, {options.calls} "
        f"calls each in turn, loaded in {options.dtype}: {statistics.median(plain.times):.2f} s as "
        f"it is, {statistics.median(tuned.times):.2f} s with the lines: "
        f"{math.exp(statistics.fmean(ratios)):.2f} times as fast, {math.exp(interval.low):.2f} to "
        f"{math.exp(interval.high):.2f}; first call {plain.first_call_s:.0f} s and "
        f"{tuned.first_call_s:.0f} s; pixels differ by {apart:.1e} (relative L2)"
    )


def _serve(options: argparse.Namespace) -> None:
    """Run as one of the processes: a line "call" calls the pipeline, the end of input ends it."""
    pipe = _make_pipeline(options)
    if options.child == "tuned":
        names: dict[str, Any] = {}
        exec(options.file.read_text(encoding="utf-8"), names)
        pipe = names["tuned"](pipe)
    _call(pipe, options)
    for _ in sys.stdin:
        _call(pipe, options)


def _call(pipe: Any, options: argparse.Namespace) -> None:
    import torch

    began = time.perf_counter()
    with torch.no_grad():
        pixels = pipe(
            "a photograph of an astronaut",
            height=options.size,
            width=options.size,
            num_inference_steps=options.steps,
            generator=torch.Generator().manual_seed(0),
            output_type="pt",
        ).images
    print(f"seconds {time.perf_counter() - began:.4f}", flush=True)
    np.save(options.picture, pixels.float().numpy())


def _make_pipeline(options: argparse.Namespace) -> Any:
    import torch

    from sd_bench.capabilities.composition import compose_config
    from sd_bench.implementations.diffusers_pipeline import DiffusersPipeline

    config = compose_config(
        *("gpu=cpu", f"model_version={options.model}", "implementation=diffusers_pipeline"),
        *("precision=fp32", "sampler=ddim", f"sampler.steps={options.steps}"),
    )
    built = DiffusersPipeline(config, torch.device("cpu"))
    built.pipeline.unet = built.peer.unet  # as a user has it, without what rounds wrap around it
    return built.pipeline.to(dtype=getattr(torch, options.dtype))


def _parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="what tune --write wrote")
    parser.add_argument("--calls", type=int, default=9)
    parser.add_argument("--size", type=int, default=256, help="image height and width in pixels")
    parser.add_argument("--steps", type=int, default=2, help="steps of the sampler")
    parser.add_argument("--model", default="sd2")
    parser.add_argument("--dtype", default="float32", help="in which the user loads it")
    parser.add_argument("--child", choices=("plain", "tuned"), help=argparse.SUPPRESS)
    parser.add_argument("--picture", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
