"""Small checkpoints that would take unlimited time or memory, by name."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.support.payloads import KEY, state_of, storage, tensor

_DEEP = 60
_HUGE = 2**62


def write_zip(
    path: Path, program: bytes, storages: dict[str, bytes] | None = None, compression: int = 0
) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/{key}", data)


def _doubled(depth: int) -> bytes:
    """A tuple that contains a tuple twice, which contains a tuple twice, ..."""
    return b")" + b"2\x86" * depth


def _header(entries: str) -> bytes:
    text = f"{{{entries}}}".encode()
    return struct.pack("<Q", len(text)) + text


def _expanded(path: Path) -> None:
    """A schedule of 64 GB that repeats one number."""
    body = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage("FloatStorage", "0", 1) + b"K\0"
    shape = pickle.dumps((2**34,), 2)[2:-1] + pickle.dumps((0,), 2)[2:-1]
    body += shape + b"\x89ccollections\nOrderedDict\n)RtR"
    key = pickle.dumps("alphas_cumprod", 2)[2:-1]
    sound = tensor((1,), (1,), 1)
    program = b"\x80\x02}" + pickle.dumps(KEY, 2)[2:-1] + sound + b"s" + key + body + b"s."
    write_zip(path, program, {"data/0": bytes(4)})


def _many_entries(path: Path) -> None:
    """A zip with 300,000 entries in its list of contents."""
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<H", 6) + bytes(16) + b"a/data"
    directory = entry * 300_000
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(directory), 4, 0)
    path.write_bytes(b"PK\x03\x04" + directory + end)


BOMBS: dict[str, Callable[[Path], object]] = {
    "a tuple nested 60 deep as a key": lambda p: write_zip(
        p, b"\x80\x02}" + _doubled(_DEEP) + b"K\1s."
    ),
    "the same in a set": lambda p: write_zip(
        p, b"\x80\x02cbuiltins\nset\n(" + b"(" + _doubled(_DEEP) + b"ltR."
    ),
    "a tuple nested 400,000 deep as a key": lambda p: write_zip(
        p, b"\x80\x02})" + b"\x85" * 400_000 + b"K\1s."
    ),
    "60 MB of lists in 58 kB": lambda p: write_zip(
        p, b"\x80\x02" + b"]" * 60_000_000, compression=zipfile.ZIP_DEFLATED
    ),
    "60 MB of lists as they are": lambda p: write_zip(p, b"\x80\x02" + b"]" * 60_000_000),
    "a byte order of 4.8 GB": lambda p: write_zip(
        p, state_of(tensor((1,), (1,), 1)), {"byteorder": b"little" * 50_000_000}, 8
    ),
    "a copy of a copy, ten thousand times": lambda p: write_zip(
        p,
        b"\x80\x02(" + b"K\1" * 100_000 + b"lq\1"
        + b"cbuiltins\nset\n(h\1tR0" * 20_000 + b"N.",
    ),
    "a schedule of 64 GB by stride 0": _expanded,
    "a shape of huge integers": lambda p: p.write_bytes(_header(json.dumps({
        KEY: {"dtype": "F32", "shape": [10**4000] * 3, "data_offsets": [0, 10**4000]}
    })[1:-1])),
    "a shape of a million axes": lambda p: p.write_bytes(_header(
        f'"{KEY}":{{"dtype":"F32","shape":[{"1," * 1_000_000}1],"data_offsets":[0,4]}}'
    )),
    "a header of 15 MB of empty lists": lambda p: p.write_bytes(
        _header(f'"{KEY}":[{"[]," * 5_000_000}[]]')
    ),
    "a key of 10 MB": lambda p: p.write_bytes(_header(
        f'"{KEY}{"x" * 10_000_000}":{{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}'
    )),
    "a key that clears the screen": lambda p: p.write_bytes(_header(
        f'"{KEY}\\u001b[2J\\n":{{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}'
    )),
    "a list of 300,000 entries": _many_entries,
    "storages of huge places": lambda p: write_zip(
        p, state_of(tensor((2, 3), (2**30, 2**30), 2**30)), {"data/0": bytes(24)}
    ),
}  # fmt: skip
