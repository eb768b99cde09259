"""Where the numbers of a tensor lie in a file; needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
#: No file of weights is larger: full ones with an optimizer's state have some 20 GB.
LARGEST_FILE = 2**37
#: Axes of a tensor, and the largest number of elements or place of one: 63 bits, as PyTorch's.
MOST_AXES, LARGEST_NUMBER = 16, 2**63 - 1


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


@dataclass(frozen=True, slots=True)
class Contents:
    """The tensors of a file by the names that it has for them, and what it says of itself.

    ``statements`` are short texts by where they stand, such as ``modelspec.prediction_type``.
    """

    tensors: Mapping[str, StoredTensor]
    statements: Mapping[str, str] = field(default_factory=dict)


def is_a_shape(numbers: tuple[object, ...]) -> bool:
    """Whether these may be sizes, strides or places of a tensor."""
    return len(numbers) <= 2 * MOST_AXES + 1 and all(
        type(n) is int and 0 <= n <= LARGEST_NUMBER for n in numbers
    )


def row_major(shape: Shape) -> tuple[int, ...]:
    """The strides, in elements, of a tensor that lies row after row."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
