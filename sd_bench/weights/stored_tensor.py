"""Where the numbers of a tensor are in a file, described without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sd_bench.weights.parts import Shape

#: Bytes per element, by torch's name of the dtype.
ITEM_SIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "uint64": 8, "uint32": 4,
    "uint16": 2, "bool": 1, "complex64": 8, "complex128": 16,
}  # fmt: skip
#: The dtypes in which weights may be stored.
STORABLE_DTYPES = ("float64", "float32", "float16", "bfloat16")
#: In bytes; larger files are refused. Full ones with an optimizer's state have about 20 GB.
LARGEST_FILE = 2**37
#: The most axes of a tensor, and its largest size, stride or offset: 63 bits, as in PyTorch.
MOST_AXES, LARGEST_NUMBER = 16, 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor in ``file``: little-endian numbers of ``dtype`` (torch's name) from byte ``offset``.

    ``strides``, in elements, is None if the numbers are in row-major order, as they nearly always
    are.
    """

    file: Path
    offset: int
    dtype: str
    shape: Shape
    strides: tuple[int, ...] | None = None

    @property
    def nbytes(self) -> int:
        """The size of the tensor's numbers in bytes."""
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
    """The tensors of a file by its own names, and what the file says about itself.

    ``statements`` are short texts by where they are, such as ``modelspec.prediction_type``.
    """

    tensors: Mapping[str, StoredTensor]
    statements: Mapping[str, str] = field(default_factory=dict)


def is_a_shape(numbers: tuple[object, ...]) -> bool:
    """Whether ``numbers`` can be sizes, strides or offsets of a tensor."""
    return len(numbers) <= 2 * MOST_AXES + 1 and all(
        type(n) is int and 0 <= n <= LARGEST_NUMBER for n in numbers
    )


def row_major(shape: Shape) -> tuple[int, ...]:
    """The strides, in elements, of a tensor in row-major order."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
