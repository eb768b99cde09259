"""The table of contents of a ``.safetensors`` file.

The format: eight bytes with the length of a JSON header, the header, then the numbers. The
safetensors library does not tell where a tensor lies, which is needed to read it straight into a
network; so the header is read here, and nothing of it is believed unchecked.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from sd_bench.errors import WeightsError
from sd_bench.weights.stored_tensor import ITEM_SIZES, StoredTensor

_LENGTH_BYTES = 8
#: What the format's own library allows.
_LONGEST_HEADER = 100_000_000
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "U16": "uint16", "U32": "uint32",
    "U64": "uint64", "BOOL": "bool", "C64": "complex64",
}  # fmt: skip


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Every tensor by its key. Raises WeightsError and OSError."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        begin = _LENGTH_BYTES + length
        if size < _LENGTH_BYTES or length > _LONGEST_HEADER:
            raise WeightsError("is no safetensors file")
        if begin > size:
            raise WeightsError(f"is cut off: its header alone needs {begin} bytes, it has {size}")
        header = _parse(stream.read(length))
    tensors = {
        key: _tensor(path, key, entry, begin, size)
        for key, entry in header.items()
        if key != "__metadata__"
    }
    _refuse_overlap(tensors)
    return tensors


def _parse(header: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(header.decode())
    except (ValueError, RecursionError):
        raise WeightsError("is no safetensors file: its header is not JSON") from None
    if not isinstance(parsed, dict):
        raise WeightsError("is no safetensors file: its header is no table")
    return parsed


def _tensor(path: Path, key: str, entry: Any, begin: int, size: int) -> StoredTensor:
    try:
        dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
        start, end = entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise WeightsError(f"its header is damaged at {key}") from None
    if not all(type(n) is int and n >= 0 for n in (*shape, start, end)):
        raise WeightsError(f"its header is damaged at {key}")
    if end - start != math.prod(shape) * ITEM_SIZES[dtype]:
        raise WeightsError(f"its header is damaged at {key}: {end - start} bytes for {shape}")
    if begin + end > size:
        raise WeightsError(f"is cut off: {key} ends at byte {begin + end}, the file at {size}")
    return StoredTensor(file=path, offset=begin + start, dtype=dtype, shape=shape)


def _refuse_overlap(tensors: dict[str, StoredTensor]) -> None:
    end = 0
    for key, tensor in sorted(tensors.items(), key=lambda entry: entry[1].offset):
        if tensor.offset < end:
            raise WeightsError(f"its header is damaged: {key} overlaps another tensor")
        end = tensor.offset + tensor.nbytes
