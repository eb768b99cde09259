"""Records a network's kernels once as a CUDA graph and replays it, which saves the launches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import Watcher

#: Calls before the recording: in the first, libraries choose kernels and compilers compile.
_CALLS_BEFORE = 2


class Kept:
    """An input of a recording: every replay reads this memory."""

    def __init__(self, given: Tensor, device: torch.device) -> None:
        self.tensor = given.to(device, copy=True)
        self._given, self._version = given, given._version

    def take(self, given: Tensor) -> None:
        """Copy ``given`` into this memory unless it is unchanged, as a prompt's context is."""
        if given is not self._given or given._version != self._version:
            self.tensor.copy_(given)
            self._given, self._version = given, given._version


@dataclass(frozen=True, slots=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: list[Kept]
    output: Tensor


class GraphedCalls:
    """Runs ``run`` by recordings, one per combination of the inputs' shapes and dtypes.

    ``watcher`` wraps the last call before each recording, which runs the same operators; a replay
    runs none. Memory that a recording reads must outlive it: call ``forget`` before autocast frees
    its cache of cast weights. See PyTorch's notes on CUDA graphs.
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
        """Free all recordings and their memory."""
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
