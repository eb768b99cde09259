"""Handwritten pickles: some would run something, others describe tensors."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

#: The key of the one tensor in ``state_of``.
KEY = "model.diffusion_model.x"


class Reduced:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def global_call(module: str, name: str, *arguments: Any) -> bytes:
    """A program that calls module.name, without this process importing it."""
    body = pickle.dumps(arguments, protocol=2)[2:-1]
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + body + b"R."


def stack_global(module: str, name: str, state: Any) -> bytes:
    """Protocol 4: makes an object of a class by ``NEWOBJ`` and gives it a state by ``BUILD``."""
    texts = (b"\x8c" + struct.pack("<B", len(t)) + t.encode() for t in (module, name))
    body = pickle.dumps(state, protocol=4)[2:-1]
    return b"\x80\x04" + b"".join(texts) + b"\x93)\x81" + body + b"b."


def storage(dtype: str, key: str, count: int) -> bytes:
    """A reference to a storage, as torch writes it."""
    parts = pickle.dumps("storage", 2)[2:-1], pickle.dumps(key, 2)[2:-1]
    size = b"J" + struct.pack("<i", count)
    return (
        b"("
        + parts[0]
        + f"ctorch\n{dtype}\n".encode()
        + parts[1]
        + b"X\x03\0\0\0cpu"
        + size
        + b"tQ"
    )


def tensor(shape: tuple[int, ...], strides: tuple[int, ...], count: int, offset: int = 0) -> bytes:
    body = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage("FloatStorage", "0", count)
    body += b"J" + struct.pack("<i", offset)
    body += pickle.dumps(shape, 2)[2:-1] + pickle.dumps(strides, 2)[2:-1]
    return body + b"\x89ccollections\nOrderedDict\n)RtR"


def state_of(tensor_program: bytes) -> bytes:
    return b"\x80\x02}" + pickle.dumps(KEY, 2)[2:-1] + tensor_program + b"s."


_SYSTEM = f"{os.system.__module__}.system"


def payloads(mark: Path) -> dict[str, tuple[bytes, str]]:
    """Programs that would create the file ``mark``, and what the refusal must name."""
    code, touch = f"__import__('pathlib').Path({str(mark)!r}).touch()", f"touch {mark}"
    nested = {"state_dict": [Reduced(OrderedDict, [[1, Reduced(eval, code)]])]}
    with_state = {"a": Reduced(os.system, touch)}
    called = {
        "os.system": (Reduced(os.system, touch), 2, _SYSTEM),
        "builtins.eval": (Reduced(eval, code), 4, "builtins.eval"),
        "builtins.exec": (Reduced(exec, code), 0, "exec"),
        "subprocess": (Reduced(subprocess.call, ["touch", str(mark)]), 4, "subprocess.call"),
        "nested reduce": (nested, 4, "builtins.eval"),
        "torch.load inside": (Reduced(torch.load, str(mark)), 2, "torch.serialization.load"),
    }
    named = (
        ("builtins", "getattr"), ("operator", "attrgetter"), ("functools", "partial"),
        ("torch.hub", "load"), ("numpy", "load"), ("runpy", "run_path"),
        ("importlib", "import_module"), ("ldm.util", "instantiate_from_config"),
        ("torch.jit", "load"), ("torch._utils", "_import_dotted_name"), ("posixpath", "join"),
    )  # fmt: skip
    callback = ("pytorch_lightning.callbacks", "ModelCheckpoint")
    return {
        **{key: (pickle.dumps(content, p), words) for key, (content, p, words) in called.items()},
        **{f"{m}.{n}": (global_call(m, n, str(mark)), f"{m}.{n}") for m, n in named},
        "a path out of an allowed package": (
            stack_global("pytorch_lightning", "os.system", touch),
            "pytorch_lightning.os.system",
        ),
        "a placeholder with a state that runs": (stack_global(*callback, with_state), _SYSTEM),
        "an old-style instance": (b"(ios\nsystem\n.", "INST 'os system'"),
        "an extension code": (b"\x80\x02\x82\x01.", "EXT1"),
    }
