"""A tensor where it lies in a file; needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from sd_bench.weights.parts import Shape

#: Bytes an element, by torch's name of the dtype.
ITEM_SIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "uint64": 8, "uint32": 4,
    "uint16": 2, "bool": 1, "complex64": 8, "complex128": 16,
}  # fmt: skip
#: What weights may be stored as.
STORABLE_DTYPES = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """``shape`` numbers of ``dtype`` (torch's name), little-endian, from byte ``offset`` on.

    ``strides``, in elements, is None where they lie row after row, as nearly always.
    """

    file: Path
    offset: int
    dtype: str
    shape: Shape
    strides: tuple[int, ...] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor itself."""
        return math.prod(self.shape) * ITEM_SIZES[self.dtype]

    def piece(self, index: int, count: int) -> StoredTensor:
        """One of ``count`` equal pieces along the first axis, which ``count`` divides."""
        if count == 1:
            return self
        rows = self.shape[0] // count
        stride = math.prod(self.shape[1:]) if self.strides is None else self.strides[0]
        return replace(
            self,
            offset=self.offset + index * rows * stride * ITEM_SIZES[self.dtype],
            shape=(rows, *self.shape[1:]),
        )


def row_major(shape: Shape) -> tuple[int, ...]:
    """The strides, in elements, of a tensor that lies row after row."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
