"""The table of contents of a file that ``torch.save`` wrote: a zip of a pickle and its storages."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from sd_bench.errors import WeightsError
from sd_bench.weights.restricted_pickle import PickledTensor, unpickle
from sd_bench.weights.stored_tensor import ITEM_SIZES, StoredTensor, row_major

_LOCAL_HEADER_BYTES = 30
_LONGEST_PICKLE = 500_000_000
_PICKLE = "/data.pkl"


def read_torch_file(path: Path) -> dict[str, StoredTensor]:
    """Every tensor of the state dict, by its key; a ``state_dict`` around it is taken off.

    Raises WeightsError and OSError. Nothing in the file is run.
    """
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
            files = {entry.filename: entry for entry in archive.infolist()}
            root = _root(files)
            _check_byte_order(archive, files, root)
            state = _state_dict(unpickle(archive.read(root + _PICKLE)))
            offsets: dict[str, tuple[int, int]] = {}
            return {
                key: _locate(path, stream, files, f"{root}/data/", key, tensor, offsets)
                for key, tensor in state.items()
            }
    except zipfile.BadZipFile as error:
        raise WeightsError(_not_a_zip(path, error)) from None
    except (NotImplementedError, RuntimeError, EOFError) as error:  # encrypted, unknown method
        raise WeightsError(f"is no file of torch.save ({error})") from None


def _not_a_zip(path: Path, error: Exception) -> str:
    with path.open("rb") as stream:
        begin = stream.read(4)
    if begin.startswith(b"PK"):
        return f"is cut off or damaged ({error})"
    if begin.startswith(b"\x80"):
        return "is in the form of PyTorch before 1.6: load and save it with a newer one"
    return "is neither a file of torch.save nor a safetensors file"


def _root(files: dict[str, zipfile.ZipInfo]) -> str:
    roots = [name.removesuffix(_PICKLE) for name in files if name.endswith(_PICKLE)]
    if len(roots) != 1 or "/" in roots[0]:
        raise WeightsError("is a zip, but not one of torch.save: it holds no data.pkl")
    if files[roots[0] + _PICKLE].file_size > _LONGEST_PICKLE:
        raise WeightsError("refused: its pickle is larger than any real one")
    return roots[0]


def _check_byte_order(
    archive: zipfile.ZipFile, files: dict[str, zipfile.ZipInfo], root: str
) -> None:
    name = f"{root}/byteorder"
    if name in files and archive.read(name) != b"little":
        raise WeightsError("holds big-endian numbers: save it on a little-endian machine")


def _state_dict(content: Any) -> dict[str, PickledTensor]:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise WeightsError("holds no state dict")
    tensors = {key: value for key, value in content.items() if isinstance(value, PickledTensor)}
    if not tensors or not all(isinstance(key, str) for key in tensors):
        raise WeightsError("holds no state dict: no tensors with names in it")
    return tensors


def _locate(
    path: Path,
    stream: Any,
    files: dict[str, zipfile.ZipInfo],
    folder: str,
    key: str,
    tensor: PickledTensor,
    offsets: dict[str, tuple[int, int]],
) -> StoredTensor:
    storage = tensor.storage
    if storage.key not in offsets:
        entry = files.get(folder + storage.key)
        if entry is None:
            raise WeightsError(f"refused: {key} lies in storage {storage.key!r}, which is missing")
        offsets[storage.key] = _data_offset(stream, entry), entry.file_size
    begin, num_bytes = offsets[storage.key]
    item_size = ITEM_SIZES[storage.dtype]
    last = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    needed = 0 if 0 in tensor.shape else tensor.offset + last + 1
    if max(needed, storage.count) * item_size > num_bytes:
        raise WeightsError(
            f"refused: {key} needs {max(needed, storage.count) * item_size} bytes of storage "
            f"{storage.key!r}, which has {num_bytes}"
        )
    return StoredTensor(
        file=path,
        offset=begin + tensor.offset * item_size,
        dtype=storage.dtype,
        shape=tensor.shape,
        strides=None if tensor.strides == row_major(tensor.shape) else tensor.strides,
    )


def _data_offset(stream: Any, entry: zipfile.ZipInfo) -> int:
    """Where an entry's bytes begin: after a header of its own, whose length it says itself."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise WeightsError(f"refused: {entry.filename} is compressed, which torch.save never does")
    stream.seek(entry.header_offset)
    header = stream.read(_LOCAL_HEADER_BYTES)
    if len(header) < _LOCAL_HEADER_BYTES or header[:4] != b"PK\x03\x04":
        raise WeightsError(f"is damaged at {entry.filename}")
    name, extra = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
    return entry.header_offset + _LOCAL_HEADER_BYTES + name + extra
