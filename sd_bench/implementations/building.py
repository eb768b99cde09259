"""The implementation that a cell names, found and built."""

from __future__ import annotations

import importlib

import torch

from sd_bench.capabilities.implementations import list_implementations
from sd_bench.capabilities.torch_compat import Watcher
from sd_bench.config.schema import Config
from sd_bench.implementations.protocol import Factory, Implementation


def build(config: Config, device: torch.device, watcher: Watcher | None = None) -> Implementation:
    """The cell's implementation with its weights, on ``device``.

    Raises WeightsError if ``config.weights`` names a checkpoint that cannot be used.
    """
    return factory_of(config)(config, device, watcher)


def factory_of(config: Config) -> Factory:
    """What builds the cell's implementation, its library imported."""
    module, _, name = list_implementations()[config.implementation.name].factory.partition(":")
    factory: Factory = getattr(importlib.import_module(module), name)
    return factory
