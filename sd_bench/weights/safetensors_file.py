"""Read the table of contents of a safetensors file.

The format is eight bytes with the length of a JSON header, the header, then the numbers. The
safetensors library does not report a tensor's offset, which is needed to read it directly into a
network, so the header is read here. Everything in it is checked.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from sd_bench.errors import WeightsError, printable
from sd_bench.regular_files import open_regular, parse_json
from sd_bench.weights.stored_tensor import (
    ITEM_SIZES,
    LARGEST_FILE,
    Contents,
    StoredTensor,
    is_a_shape,
)

_LENGTH_BYTES = 8
#: In bytes. Real headers have about 200 kB, or a few MB with a preview image.
_LONGEST_HEADER = 16_000_000
_METADATA = "__metadata__"
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "U16": "uint16", "U32": "uint32",
    "U64": "uint64", "BOOL": "bool", "C64": "complex64",
}  # fmt: skip


def begins_safetensors(begin: bytes) -> bool:
    """Whether ``begin`` looks like a safetensors file: a length followed by a JSON table."""
    length = int.from_bytes(begin[:_LENGTH_BYTES], "little")
    return begin[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and length <= LARGEST_FILE


def read_safetensors(path: Path) -> Contents:
    """Every tensor by its key. Raises WeightsError and OSError."""
    with open_regular(path, LARGEST_FILE) as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        begin = _LENGTH_BYTES + length
        if begin > size:
            raise WeightsError(f"is cut off: its header alone needs {begin} bytes, it has {size}")
        if length > _LONGEST_HEADER:
            raise WeightsError(f"refused: its header has {length} bytes, more than any real one")
        header = _parse(stream.read(length))
    metadata = header.pop(_METADATA, {})
    tensors = {key: _tensor(path, key, entry, begin, size) for key, entry in header.items()}
    _refuse_overlap(tensors)
    statements = metadata.items() if isinstance(metadata, dict) else ()
    return Contents(tensors, {k: v for k, v in statements if isinstance(v, str)})


def _parse(header: bytes) -> dict[str, Any]:
    try:
        parsed = parse_json(header.decode())
    except ValueError as error:
        raise WeightsError(f"its header is damaged: it {error}") from None
    assert isinstance(parsed, dict)  # it begins with {
    return parsed


def _tensor(path: Path, key: str, entry: Any, begin: int, size: int) -> StoredTensor:
    named = printable(key)
    try:
        dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
        start, end = entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise WeightsError(f"its header is damaged at {named}") from None
    if not is_a_shape((*shape, start, end)):
        raise WeightsError(f"its header is damaged at {named}: no proper shape or place")
    if end - start != math.prod(shape) * ITEM_SIZES[dtype]:
        raise WeightsError(f"its header is damaged at {named}: {end - start} bytes for {shape}")
    if begin + end > size:
        raise WeightsError(f"is cut off: {named} ends at byte {begin + end}, the file at {size}")
    return StoredTensor(file=path, offset=begin + start, dtype=dtype, shape=shape)


def _refuse_overlap(tensors: dict[str, StoredTensor]) -> None:
    end = 0
    for key, tensor in sorted(tensors.items(), key=lambda entry: entry[1].offset):
        if tensor.nbytes and tensor.offset < end:
            raise WeightsError(f"its header is damaged: {printable(key)} overlaps another tensor")
        end = max(end, tensor.offset + tensor.nbytes)
