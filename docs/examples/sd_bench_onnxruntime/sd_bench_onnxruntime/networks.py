"""What a round's process imports: the networks exported, loaded and run."""

from __future__ import annotations

import time
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import Watcher
from sd_bench.config.schema import Config
from sd_bench.implementations.conversion_cache import conversion_key, converted
from sd_bench.implementations.converted_networks import (
    NETWORKS,
    ConvertedImplementation,
    networks_to_convert,
)
from sd_bench.records import Conversion


class OnnxRuntime(ConvertedImplementation):
    """The three networks of a cell in ONNX Runtime, on the CPU."""

    def __init__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> None:
        began = time.perf_counter()
        key = conversion_key(config, "onnxruntime", onnxruntime.__version__)
        folder, cache = converted(key, lambda folder: export(config, folder))
        loading = time.perf_counter()
        run = {name: Network(folder / f"{name}.onnx") for name in NETWORKS}
        conversion = Conversion(
            convert_s=loading - began,
            compile_s=time.perf_counter() - loading,
            cache=cache,
            settings={"intra_op_num_threads": str(torch.get_num_threads())},
        )
        why = "ONNX Runtime runs its own kernels, not PyTorch's"
        super().__init__(config, device, run, conversion, unprovable=why)


def export(config: Config, folder: Path) -> None:
    """Write FOLDER/NAME.onnx for each network, its weights in a file beside it."""
    for network in networks_to_convert(config):
        file = folder / f"{network.name}.onnx"
        torch.onnx.export(network.module, network.inputs, file, dynamo=True, external_data=True)


class Network:
    """A session on PyTorch's tensors, which are read where they lie."""

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(file, options, providers=providers)
        self._names = [put.name for put in self._session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> Tensor:
        arrays = (tensor.contiguous().numpy() for tensor in inputs)
        (output,) = self._session.run(None, dict(zip(self._names, arrays, strict=True)))
        return torch.from_numpy(output)
