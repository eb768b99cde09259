"""Read the pickle inside a torch file without running any code from it.

A pickle is a program. The only way in which it can run other code is to name a global
(``module.name``) and call it. Here every name is looked up only in the tables below: tensors become
descriptions of where their numbers are, containers become plain ones, what trainers save beside the
weights becomes a placeholder that does nothing, and any other name is refused. No module is ever
imported. This works for the files of every version of PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from sd_bench.errors import WeightsError, printable
from sd_bench.weights.parts import Shape
from sd_bench.weights.pickle_machine import Inert, hashable, run_pickle, to_dict
from sd_bench.weights.stored_tensor import ITEM_SIZES, MOST_AXES, is_a_shape

_STORAGE_DTYPES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}  # fmt: skip
#: Packages whose classes occur in real checkpoints beside the weights: callbacks, settings,
#: optimizers, learning rate schedules.
_PLACEHOLDER_PACKAGES = (
    "pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities", "torchmetrics",
    "omegaconf", "ldm", "transformers", "diffusers", "accelerate", "peft", "ema_pytorch",
    "torch.optim", "torch.nn", "torch.amp", "torch.cuda.amp", "torch.utils.data",
)  # fmt: skip
_BUILTINS = ("builtins", "__builtin__")
#: Other names that occur in real checkpoints, for values that are not needed here.
_PLACEHOLDER_NAMES = frozenset({
    "argparse.Namespace", "types.SimpleNamespace", "copyreg._reconstructor",
    "copy_reg._reconstructor", "typing.Any", "_codecs.encode",
    *(f"pathlib.{name}" for name in (
        "Path", "PurePath", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath",
    )),
    *(f"pathlib._local.{name}" for name in ("PosixPath", "WindowsPath", "PurePosixPath")),
    *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *("decimal.Decimal", "fractions.Fraction", "uuid.UUID", "collections.deque"),
    *("uuid.SafeUUID", "zoneinfo.ZoneInfo._unpickle"),
    *(f"{module}.{name}" for module in _BUILTINS for name in (
        "object", "complex", "slice", "range", "xrange", "bytearray", "bytes", "list", "tuple",
        "int", "long", "float", "str", "unicode", "bool", "type",
    )),
    *(f"numpy.{name}" for name in (
        "dtype", "ndarray", "bool_", "float16", "float32", "float64", "int8", "int16", "int32",
        "int64", "uint8", "uint16", "uint32", "uint64", "complex64", "complex128",
    )),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in (
        "scalar", "_reconstruct",
    )),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    *(f"numpy.random._pickle.{name}" for name in (
        "__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor",
    )),
    *(f"numpy.random._{name}" for name in ("mt19937.MT19937", "pcg64.PCG64", "philox.Philox")),
    *(f"torch.{name}" for name in (
        "device", "strided", "sparse_coo", "contiguous_format", "preserve_format", "channels_last",
        "Tensor", "Generator", "_C.Generator", "serialization._get_layout",
    )),
    *(f"torch._utils.{name}" for name in (
        "_rebuild_sparse_tensor", "_rebuild_qtensor", "_rebuild_meta_tensor_no_storage",
        "_rebuild_device_tensor_from_numpy",
    )),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Storage:
    """``count`` numbers in the zip entry that ``key`` names."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A view of a storage; offset and strides are in elements."""

    storage: Storage
    offset: int
    shape: Shape
    strides: tuple[int, ...]


class Placeholder(Inert):
    """In place of any object or class whose content is not needed."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Dtype(Inert):
    """A dtype of torch, by its name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """One of the functions below, wrapped so that a pickle can call but not change it."""

    function: Callable[..., object]

    def called(self, *arguments: object) -> object:
        return self.function(*arguments)


class _Names:
    """Resolves the names in a torch file."""

    def find(self, module: str, name: str) -> Any:
        known = f"{module}.{name}"
        if module in ("torch", "torch.storage") and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        if module == "torch" and name in ITEM_SIZES:
            return _Dtype(name)
        if known in _CALLS:
            return _Call(_CALLS[known])
        if known in _PLACEHOLDER_NAMES or _is_placeholder_class(module, name):
            return Placeholder()
        raise WeightsError(f"refused: its pickle names {known[:200]!r}, which no weights need")

    def refer(self, reference: Any) -> Storage:
        match reference:
            case ("storage", str(dtype), str(key), str(), int(count)) if (
                dtype in ITEM_SIZES and is_a_shape((count,))
            ):
                return Storage(dtype, key, count)
        raise WeightsError("refused: its pickle refers to something that is not a storage")


def unpickle(data: bytes) -> Any:
    """The object in ``data``. Raises WeightsError if it is damaged or names unknown code."""
    return run_pickle(data, _Names())


def _is_placeholder_class(module: str, name: str) -> bool:
    """Whether the name is that of a class, with a capital, in one of the placeholder packages."""
    packages = (module == each or module.startswith(f"{each}.") for each in _PLACEHOLDER_PACKAGES)
    return any(packages) and name.isidentifier() and name[0].isupper()


def _rebuild_tensor(
    storage: object, offset: object, shape: object, strides: object, *_: object
) -> PickledTensor:
    if not isinstance(storage, Storage):
        raise WeightsError("refused: a tensor without storage")
    named = f"refused: a tensor of storage {printable(repr(storage.key))}"
    sizes, steps = _axes(shape), _axes(strides)
    if not is_a_shape((offset, *sizes)):
        raise WeightsError(f"{named} has an invalid shape")
    if not is_a_shape(steps) or len(sizes) != len(steps):
        raise WeightsError(f"{named} has invalid strides")
    return PickledTensor(storage, offset, sizes, steps)  # type: ignore[arg-type]


def _rebuild_typed(
    storage: object, offset: object, shape: object, strides: object, *others: object
) -> PickledTensor:
    """A view of untyped bytes, whose dtype is the third of ``others``."""
    dtype = others[2] if len(others) > 2 else None
    if not isinstance(storage, Storage) or not isinstance(dtype, _Dtype):
        raise WeightsError("refused: a tensor without storage or dtype")
    count = storage.count * ITEM_SIZES[storage.dtype] // ITEM_SIZES[dtype.name]
    typed = replace(storage, dtype=dtype.name, count=count)
    return _rebuild_tensor(typed, offset, shape, strides)


def _axes(value: object) -> tuple[Any, ...]:
    is_listed = isinstance(value, (tuple, list)) and len(value) <= MOST_AXES
    return tuple(value) if is_listed else (None,)  # type: ignore[arg-type]


def _rebuild_parameter(tensor: object, *_: object) -> object:
    return tensor


def _rebuild_with_attributes(function: object, _: object, arguments: object, *__: object) -> object:
    """A tensor with extra attributes, which are dropped."""
    if not isinstance(function, _Call) or function.function not in _REBUILD:
        raise WeightsError("refused: a tensor of an unknown kind")
    return function.called(*arguments) if isinstance(arguments, tuple) else _no_arguments()


def _no_arguments() -> NoReturn:
    raise WeightsError("refused: a tensor without arguments")


def _size(value: object = ()) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else ()


def _set(values: object = ()) -> frozenset[object]:
    return frozenset(map(hashable, values)) if isinstance(values, (list, tuple)) else frozenset()


def _dict(*arguments: object) -> dict[Any, Any]:
    """A plain dict in place of any kind: an OrderedDict, a defaultdict, a Counter."""
    pairs = arguments[-1] if arguments else ()
    if isinstance(pairs, dict):
        return dict(pairs)
    return to_dict(pairs) if isinstance(pairs, (list, tuple)) else {}


_REBUILD = (_rebuild_tensor, _rebuild_typed, _rebuild_parameter)
_CALLS: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_typed,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._tensor._rebuild_from_type_v2": _rebuild_with_attributes,
    "torch.Size": _size,
    **{f"{module}.{name}": _set for module in _BUILTINS for name in ("set", "frozenset")},
    **{f"{module}.dict": _dict for module in _BUILTINS},
    **{f"collections.{name}": _dict for name in ("OrderedDict", "defaultdict", "Counter")},
}
