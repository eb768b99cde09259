"""Reads the pickle inside a torch file without running anything of it.

A pickle is a program. Its only way to code outside itself is to name a global (``module.name``)
and call it. Here every name is looked up in the tables below and nowhere else: tensors become
descriptions of where their numbers lie, containers become plain ones, the classes that Lightning
checkpoints name become a placeholder that does nothing, and any other name is refused. No module
is ever imported. It serves every version of PyTorch alike.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sd_bench.errors import WeightsError
from sd_bench.weights.parts import Shape
from sd_bench.weights.stored_tensor import ITEM_SIZES

_STORAGE_DTYPES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
}  # fmt: skip
#: Packages whose classes stand in real checkpoints beside the weights (callbacks, settings).
_PLACEHOLDER_PACKAGES = (
    "pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities", "torchmetrics",
    "omegaconf", "ldm",
)  # fmt: skip
#: Other names that real checkpoints hold, of values that nobody needs here.
_PLACEHOLDER_NAMES = frozenset({
    "argparse.Namespace", "copyreg._reconstructor", "copy_reg._reconstructor", "typing.Any",
    "pathlib.PosixPath", "pathlib.WindowsPath", "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "_codecs.encode", "builtins.object", "__builtin__.object", "torch.device",
    *(f"torch.{name}" for name in (
        "float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8",
        "bool", "strided",
    )),
})  # fmt: skip
#: What a program of these can do is build plain values, call what ``find_class`` gave and fill
#: it. Left out are the opcodes that reach objects by number (EXT) and those no torch file has.
_OPCODES = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "MEMOIZE", "PUT", "BINPUT",
    "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT",
    "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_SET", "DICT",
    "LIST", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND", "APPENDS",
    "ADDITEMS", "FROZENSET", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX",
    "BINPERSID",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers in the file that its ``key`` names."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A view of a storage: offset and strides in elements."""

    storage: Storage
    offset: int
    shape: Shape
    strides: tuple[int, ...]


class _Sealed(type):
    """Makes classes that a pickle cannot change."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise WeightsError("refused: it tries to change a placeholder")


class Placeholder(metaclass=_Sealed):
    """Stands for any object whose content is not needed; takes everything and does nothing."""

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> Placeholder:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Whatever state a pickle gives it is dropped."""

    def __setitem__(self, key: object, value: object) -> None:
        """So are entries."""

    def append(self, value: object) -> None:
        """So are elements."""

    def extend(self, values: object) -> None:
        """So are elements."""

    def __call__(self, *_: object, **__: object) -> Placeholder:
        return self


class _Dict(dict[Any, Any], metaclass=_Sealed):
    """A dictionary that drops the attributes which torch's own state dicts carry."""

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> _Dict:
        return super().__new__(cls)

    def __init__(self, *arguments: object) -> None:
        pairs = arguments[-1] if arguments else ()
        super().__init__(pairs if isinstance(pairs, (list, tuple, dict)) else ())

    def __setstate__(self, state: object) -> None:
        """Dropped: ``_metadata`` and the like."""


class _Call(metaclass=_Sealed):
    """One of the functions below, as a thing that a pickle can call and not change."""

    __slots__ = ("_function",)
    _function: Callable[..., object]

    def __init__(self, function: Callable[..., object]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setattr__(self, name: str, value: object) -> None:
        raise WeightsError("refused: it tries to change a function")

    __setstate__ = None


def unpickle(data: bytes) -> Any:
    """The object in ``data``. Raises WeightsError if it is damaged or would run anything."""
    _check_opcodes(data)
    try:
        return _RestrictedUnpickler(io.BytesIO(data), encoding="latin1").load()
    except WeightsError:
        raise
    except Exception as error:  # whatever a damaged program makes the interpreter stumble over
        raise WeightsError(f"its pickle is damaged ({type(error).__name__}: {error})") from None


def _check_opcodes(data: bytes) -> None:
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name not in _OPCODES:
                named = "" if argument is None else f" {argument!r:.200}"
                raise WeightsError(f"refused: its pickle uses {opcode.name}{named}")
            if opcode.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > len(data):
                raise WeightsError("refused: its pickle asks for more memory than it can use")
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(f"its pickle is damaged ({error})") from None


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = f"{module}.{name}"
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        if known in _CALLS:
            return _Call(_CALLS[known])
        if known in _DICTS:
            return _Dict
        if known in _PLACEHOLDER_NAMES or _is_placeholder_class(module, name):
            return Placeholder
        raise WeightsError(f"refused: its pickle names {known[:200]!r}, which no weights need")

    def persistent_load(self, pid: Any) -> Storage:
        match pid:
            case ("storage", str(dtype), str(key), str(), int(count)) if dtype in ITEM_SIZES:
                return Storage(dtype, key, count)
        raise WeightsError("refused: its pickle refers to something that is no storage")


def _is_placeholder_class(module: str, name: str) -> bool:
    """Classes only, which are named in capitals, and never a path into another module."""
    package, *_ = module.split(".")
    return package in _PLACEHOLDER_PACKAGES and name.isidentifier() and name[0].isupper()


def _rebuild_tensor(
    storage: object, offset: object, shape: object, strides: object, *_: object
) -> PickledTensor:
    if not isinstance(storage, Storage):
        raise WeightsError("refused: a tensor of no storage")
    numbers = (offset, *_tuple(shape), *_tuple(strides))
    if not all(type(n) is int and n >= 0 for n in numbers):
        raise WeightsError(f"refused: a tensor of storage {storage.key!r} has no proper shape")
    if len(_tuple(shape)) != len(_tuple(strides)):
        raise WeightsError(f"refused: a tensor of storage {storage.key!r} has no proper strides")
    return PickledTensor(storage, offset, _tuple(shape), _tuple(strides))  # type: ignore[arg-type]


def _tuple(value: object) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (None,)


def _rebuild_parameter(tensor: object, *_: object) -> object:
    return tensor


def _set(values: object = ()) -> frozenset[object]:
    return frozenset(values) if isinstance(values, (list, tuple)) else frozenset()


_CALLS: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch.Size": _tuple,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "builtins.frozenset": _set,
}
_DICTS = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict")
