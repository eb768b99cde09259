"""``implementation=openvino``: our networks, converted by OpenVINO and run by its CPU plugin."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sd_bench.capabilities.torch_compat import Watcher
from sd_bench.config.schema import Config
from sd_bench.implementations.conversion_cache import conversion_key, converted
from sd_bench.implementations.converted_networks import NETWORKS, ConvertedImplementation
from sd_bench.implementations.openvino_conversion import convert_apart
from sd_bench.implementations.openvino_library import openvino
from sd_bench.records import Conversion

#: OpenVINO's names of the precisions.
_HINTS = {"fp32": "f32", "bf16": "bf16"}
#: The properties of the compiled UNet that go into the record, besides the version.
_RECORDED = (
    "INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS", "PERFORMANCE_HINT", "EXECUTION_MODE_HINT",
    "NUM_STREAMS", "ENABLE_CPU_PINNING", "ENABLE_HYPER_THREADING", "SCHEDULING_CORE_TYPE",
)  # fmt: skip


class OpenVino(ConvertedImplementation):
    """The three networks of one cell, compiled for the CPU.

    Raises ConversionError if they cannot be converted, RuntimeError if OpenVINO computes in another
    precision than the cell's, WeightsError as ``build_networks`` does.
    """

    def __init__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> None:
        core = openvino.Core()
        began = time.perf_counter()
        models, cache = _read_models(core, config)
        compiling = time.perf_counter()
        hints: dict[str, str | int | bool] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[config.precision.name],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        if config.threads.count != "auto":
            hints["ENABLE_CPU_PINNING"] = config.threads.pinned
        compiled = {name: core.compile_model(models.pop(name), "CPU", hints) for name in NETWORKS}
        ended = time.perf_counter()
        settings = {name: _text(compiled["unet"].get_property(name)) for name in _RECORDED}
        check_precision(hints["INFERENCE_PRECISION_HINT"], settings["INFERENCE_PRECISION_HINT"])
        pins = settings["ENABLE_CPU_PINNING"] == "True"
        if pins != hints.get("ENABLE_CPU_PINNING", pins):
            raise RuntimeError(
                f"threads.pinned: OpenVINO {'pins' if pins else 'does not pin'} here"
            )
        conversion = Conversion(
            convert_s=compiling - began,
            compile_s=ended - compiling,
            cache=cache,
            settings={"openvino": openvino.get_version(), **settings},
        )
        super().__init__(
            config,
            device,
            {name: _Network(model) for name, model in compiled.items()},
            conversion,
            unprovable="OpenVINO runs its own kernels, not PyTorch's",
        )


class _Network:
    """A compiled network that reads and writes PyTorch's tensors without copies."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._request = compiled.create_infer_request()
        self._shape = tuple(compiled.output(0).shape)

    def __call__(self, *inputs: Tensor) -> Tensor:
        output = torch.empty(self._shape)
        for index, tensor in enumerate(inputs):
            self._request.set_input_tensor(index, _shared(tensor.contiguous()))
        self._request.set_output_tensor(0, _shared(output))
        self._request.infer()
        return output


def _shared(tensor: Tensor) -> openvino.Tensor:
    return openvino.Tensor(tensor.numpy(), shared_memory=True)


def _read_models(core: openvino.Core, config: Config) -> tuple[dict[str, openvino.Model], str]:
    """The networks, and whether they were cached; an unreadable cache entry is replaced."""

    def convert(folder: Path) -> None:
        convert_apart(config, folder)

    key = conversion_key(config, "openvino", openvino.get_version())
    folder, cache = converted(key, convert)
    try:
        return _read(core, folder), cache
    except RuntimeError:
        if cache == "cold":
            raise
    folder, cache = converted(key, convert, again=True)
    return _read(core, folder), cache


def _read(core: openvino.Core, folder: Path) -> dict[str, openvino.Model]:
    return {name: core.read_model(folder / f"{name}.xml") for name in NETWORKS}


def check_precision(asked: object, used: str) -> None:
    """Raise RuntimeError if the precision ``used`` is not the one that was asked for."""
    if used != asked:
        raise RuntimeError(f"OpenVINO computes in {used} on this processor, not in {asked}")


def _text(value: Any) -> str:
    """A property's value as text: ``bf16`` rather than ``<Type: 'bfloat16'>``."""
    if isinstance(value, openvino.Type):
        return str(value.to_string())
    return str(getattr(value, "name", value))
