"""Read the table of contents of a ``torch.save`` file: a zip of a pickle and its storages."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

from sd_bench.errors import WeightsError, printable
from sd_bench.regular_files import open_regular
from sd_bench.weights.restricted_pickle import PickledTensor, unpickle
from sd_bench.weights.state_dicts import find_state_dict, find_statements
from sd_bench.weights.stored_tensor import (
    ITEM_SIZES,
    LARGEST_FILE,
    Contents,
    StoredTensor,
    row_major,
)
from sd_bench.weights.zip_entries import ZipEntries, ZipEntry, opened_zip

#: In bytes. Real pickles have up to 3 MB, including an optimizer's state.
_LONGEST_PICKLE = 64_000_000
_LONGEST_BYTE_ORDER = 16
#: The largest size of a view that repeats its numbers (stride 0).
_LARGEST_REPEATED_BYTES = 2**24
_PICKLE = "/data.pkl"


def read_torch_file(path: Path) -> Contents:
    """Every tensor of the file's state dict by its key, and what the file says about its model.

    Raises WeightsError and OSError. No code in the file is run.
    """
    with open_regular(path, LARGEST_FILE) as stream, opened_zip(stream) as entries:
        return _read(path, entries)


def _read(path: Path, entries: ZipEntries) -> Contents:
    files = entries.by_name
    root = _root(files)
    _check_byte_order(entries, files.get(f"{root}/byteorder"))
    content = unpickle(entries.read(files[root + _PICKLE], _LONGEST_PICKLE))
    places: dict[str, ZipEntry] = {}
    tensors = {
        key: _locate(path, entries, files, f"{root}/data/", printable(key), tensor, places)
        for key, tensor in find_state_dict(content).items()
    }
    return Contents(tensors, find_statements(content))


def _root(files: dict[str, zipfile.ZipInfo]) -> str:
    roots = [name.removesuffix(_PICKLE) for name in files if name.endswith(_PICKLE)]
    if len(roots) != 1 or "/" in roots[0]:
        raise WeightsError("is a zip, but not one of torch.save: it holds no data.pkl")
    return roots[0]


def _check_byte_order(entries: ZipEntries, entry: zipfile.ZipInfo | None) -> None:
    if entry is not None and entries.read(entry, _LONGEST_BYTE_ORDER) != b"little":
        raise WeightsError("holds big-endian numbers: save it on a little-endian machine")


def _locate(
    path: Path,
    entries: ZipEntries,
    files: dict[str, zipfile.ZipInfo],
    folder: str,
    key: str,
    tensor: PickledTensor,
    places: dict[str, ZipEntry],
) -> StoredTensor:
    storage = tensor.storage
    named = printable(repr(storage.key))
    if storage.key not in places:
        entry = files.get(folder + storage.key)
        if entry is None:
            raise WeightsError(f"refused: {key} is in storage {named}, which is missing")
        places[storage.key] = entries.locate(entry)
    begin, num_bytes = places[storage.key].begin, places[storage.key].size
    item_size = ITEM_SIZES[storage.dtype]
    last = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    needed = 0 if 0 in tensor.shape else tensor.offset + last + 1
    if max(needed, storage.count) * item_size > num_bytes:
        raise WeightsError(
            f"refused: {key} needs {max(needed, storage.count) * item_size} bytes of storage "
            f"{named}, which has {num_bytes}"
        )
    if math.prod(tensor.shape) * item_size > max(num_bytes, _LARGEST_REPEATED_BYTES):
        raise WeightsError(f"refused: {key} with shape {tensor.shape} repeats {num_bytes} bytes")
    return StoredTensor(
        file=path,
        offset=begin + tensor.offset * item_size,
        dtype=storage.dtype,
        shape=tensor.shape,
        strides=None if tensor.strides == row_major(tensor.shape) else tensor.strides,
    )
