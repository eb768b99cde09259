"""Finds and builds the implementation that a cell names."""

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
    return find_factory(config)(config, device, watcher)


def find_factory(config: Config) -> Factory:
    """The factory of the cell's implementation; imports its library, which may take seconds."""
    module, _, name = list_implementations()[config.implementation.name].factory.partition(":")
    factory: Factory = getattr(importlib.import_module(module), name)
    return factory
