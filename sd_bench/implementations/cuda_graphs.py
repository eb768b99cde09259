"""A network's kernels recorded once as a CUDA graph and replayed: no launch costs the host time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import Watcher

#: Calls before the recording: libraries choose their kernels and compilers compile in the first.
_CALLS_BEFORE = 2


class Kept:
    """A recording's own input: every replay reads this very memory."""

    def __init__(self, given: Tensor, device: torch.device) -> None:
        self.tensor = given.to(device, copy=True)
        self._given, self._version = given, given._version

    def take(self, given: Tensor) -> None:
        """Hold the values of ``given``; what it holds already, as a prompt's, is not copied."""
        if given is not self._given or given._version != self._version:
            self.tensor.copy_(given)
            self._given, self._version = given, given._version


@dataclass(frozen=True, slots=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: list[Kept]
    output: Tensor


class GraphedCalls:
    """Calls of ``run``, recorded once for each combination of the inputs' shapes and dtypes.

    ``watcher`` gets the last call before each recording, which runs the same operators; a
    replay has none. What a recording reads must outlive it: ``forget`` them before the casts of
    weights that autocast keeps are given up. See PyTorch's notes on CUDA graphs.
    """

    def __init__(
        self, run: Callable[..., Tensor], device: torch.device, watcher: Watcher | None
    ) -> None:
        self._run = run
        self._device = device
        self._watcher = watcher
        self._recordings: dict[tuple[tuple[torch.Size, torch.dtype], ...], _Recording] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        shapes = tuple((each.shape, each.dtype) for each in inputs)
        recording = self._recordings.get(shapes)
        if recording is None:
            recording = self._recordings[shapes] = self._record(inputs)
        for kept, each in zip(recording.inputs, inputs, strict=True):
            kept.take(each)
        recording.graph.replay()
        return recording.output.clone()

    def forget(self) -> None:
        """Give up all recordings, and their memory."""
        self._recordings.clear()

    def _record(self, inputs: tuple[Tensor, ...]) -> _Recording:
        inputs_kept = [Kept(each, self._device) for each in inputs]
        kept = [each.tensor for each in inputs_kept]
        watched = self._run if self._watcher is None else self._watcher.watch(self._run)
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            for index in range(_CALLS_BEFORE):
                (watched if index == _CALLS_BEFORE - 1 else self._run)(*kept)
        torch.cuda.current_stream(self._device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = self._run(*kept)
        return _Recording(graph, inputs_kept, output)
