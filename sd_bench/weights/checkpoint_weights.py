"""Fill networks from a checkpoint of any layout and dtype, converting on the way.

Numbers are read directly into the parameters if dtype and device allow it, otherwise through a
buffer of one tensor, so loading needs no second copy of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sd_bench.config.schema import ModelConfig
from sd_bench.errors import WeightsError
from sd_bench.regular_files import open_regular
from sd_bench.weights.checkpoint import Checkpoint
from sd_bench.weights.layout import BIAS, part_keys
from sd_bench.weights.model_parts import parts
from sd_bench.weights.stored_tensor import ITEM_SIZES, LARGEST_FILE, StoredTensor


def stored_parts(checkpoint: Checkpoint, model: ModelConfig) -> dict[str, StoredTensor]:
    """Where each part of ``model`` is stored; the checkpoint must fit the model.

    Raises WeightsError if an attention bias that the published layout lacks is not zero.
    """
    for key, stored in checkpoint.tensors.items():
        if checkpoint.layout == "multihead" and key.endswith(BIAS) and read(stored).any():
            raise WeightsError(f"{checkpoint.path}: {key} is not zero; the model has no such bias")
    found = {}
    for part in parts(model):
        place = part.place(checkpoint.layout)
        found[part.key] = checkpoint.tensors[place.key].piece(place.piece, place.count)
    return found


@torch.no_grad()
def fill_from(network: nn.Module, prefix: str, stored: Mapping[str, StoredTensor]) -> None:
    """Fill every parameter of ``network``, whose keys in a checkpoint begin with ``prefix``.

    Raises WeightsError if the file has become shorter in the meantime, and OSError.
    """
    for name, parameter in network.named_parameters():
        sources = part_keys(prefix + name)
        if not sources:
            parameter.zero_()
            continue
        for source, target in zip(sources, parameter.chunk(len(sources)), strict=True):
            _read_into(stored[source], target)


def _read_into(stored: StoredTensor, target: Tensor) -> None:
    fits = (
        target.device.type == "cpu"
        and target.is_contiguous()
        and stored.strides is None
        and str(target.dtype) == f"torch.{stored.dtype}"
    )
    if fits:
        _read_bytes(stored, target.view(-1), math.prod(stored.shape))
    else:
        target.copy_(read(stored).view(target.shape))


def read(stored: StoredTensor) -> Tensor:
    """Read a stored tensor, in its shape and dtype, onto the CPU.

    Raises WeightsError if the file ends too early, and OSError.
    """
    dtype = getattr(torch, stored.dtype)
    if stored.strides is None:
        flat = torch.empty(math.prod(stored.shape), dtype=dtype)
        _read_bytes(stored, flat, flat.numel())
        return flat.view(stored.shape)
    if 0 in stored.shape:
        return torch.empty(stored.shape, dtype=dtype)
    extent = 1 + sum((n - 1) * s for n, s in zip(stored.shape, stored.strides, strict=True))
    flat = torch.empty(extent, dtype=dtype)
    _read_bytes(stored, flat, extent)
    return flat.as_strided(stored.shape, stored.strides).contiguous()


def _read_bytes(stored: StoredTensor, flat: Tensor, count: int) -> None:
    """Read ``count`` elements into the contiguous ``flat``."""
    buffer = flat.view(torch.uint8).numpy().data
    with open_regular(stored.file, LARGEST_FILE, buffering=0) as stream:
        stream.seek(stored.offset)
        done, wanted = 0, count * ITEM_SIZES[stored.dtype]
        while done < wanted:
            got = stream.readinto(buffer[done:])  # type: ignore[attr-defined]
            if not got:
                raise WeightsError(f"{stored.file}: is cut off at byte {stored.offset + done}")
            done += got
