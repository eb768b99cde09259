"""The table of contents of a file that ``torch.save`` wrote: a zip of a pickle and its storages."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import BinaryIO

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
from sd_bench.weights.zip_end import check_directory

_LOCAL_HEADER_BYTES = 30
#: Real ones have up to 3 MB, with an optimizer's state in them.
_LONGEST_PICKLE = 64_000_000
_LONGEST_BYTE_ORDER = 16
#: A view that repeats its numbers (stride 0) may be this large, and never larger.
_LARGEST_REPEATED_BYTES = 2**24
_PICKLE = "/data.pkl"


def read_torch_file(path: Path) -> Contents:
    """Every tensor of the state dict, by its key; what is wrapped around it is taken off.

    Raises WeightsError and OSError. Nothing in the file is run.
    """
    with open_regular(path, LARGEST_FILE) as stream:
        try:
            check_directory(stream)
            with zipfile.ZipFile(stream) as archive:
                return _read(path, stream, archive)
        except zipfile.BadZipFile as error:
            raise WeightsError(f"is cut off or damaged ({printable(error)})") from None
        except WeightsError:
            raise
        except (NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError) as error:
            reason = printable(error)  # encrypted, an unknown method, places that cannot be
            raise WeightsError(f"is not a file of torch.save ({reason})") from None


def _read(path: Path, stream: BinaryIO, archive: zipfile.ZipFile) -> Contents:
    files = {entry.filename: entry for entry in archive.infolist()}
    root = _root(files)
    _check_byte_order(archive, files, root)
    content = unpickle(_entry(archive, files[root + _PICKLE], _LONGEST_PICKLE))
    offsets: dict[str, tuple[int, int]] = {}
    tensors = {
        key: _locate(path, stream, files, f"{root}/data/", printable(key), tensor, offsets)
        for key, tensor in find_state_dict(content).items()
    }
    return Contents(tensors, find_statements(content))


def _root(files: dict[str, zipfile.ZipInfo]) -> str:
    roots = [name.removesuffix(_PICKLE) for name in files if name.endswith(_PICKLE)]
    if len(roots) != 1 or "/" in roots[0]:
        raise WeightsError("is a zip, but not one of torch.save: it holds no data.pkl")
    return roots[0]


def _check_byte_order(
    archive: zipfile.ZipFile, files: dict[str, zipfile.ZipInfo], root: str
) -> None:
    entry = files.get(f"{root}/byteorder")
    if entry is not None and _entry(archive, entry, _LONGEST_BYTE_ORDER) != b"little":
        raise WeightsError("holds big-endian numbers: save it on a little-endian machine")


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, at_most: int) -> bytes:
    """What an entry holds. Its size is looked at before, and that nothing is to be unpacked."""
    named = printable(entry.filename)
    if entry.file_size > at_most:
        raise WeightsError(
            f"refused: {named} has {entry.file_size} bytes, where at most {at_most} are expected"
        )
    _check_stored(entry)
    return archive.read(entry)


def _check_stored(entry: zipfile.ZipInfo) -> None:
    if entry.compress_type != zipfile.ZIP_STORED:
        named = printable(entry.filename)
        raise WeightsError(f"refused: {named} is compressed, which torch.save never does")


def _locate(
    path: Path,
    stream: BinaryIO,
    files: dict[str, zipfile.ZipInfo],
    folder: str,
    key: str,
    tensor: PickledTensor,
    offsets: dict[str, tuple[int, int]],
) -> StoredTensor:
    storage = tensor.storage
    named = printable(repr(storage.key))
    if storage.key not in offsets:
        entry = files.get(folder + storage.key)
        if entry is None:
            raise WeightsError(f"refused: {key} lies in storage {named}, which is missing")
        offsets[storage.key] = _data_offset(stream, entry), entry.file_size
    begin, num_bytes = offsets[storage.key]
    item_size = ITEM_SIZES[storage.dtype]
    last = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    needed = 0 if 0 in tensor.shape else tensor.offset + last + 1
    if max(needed, storage.count) * item_size > num_bytes:
        raise WeightsError(
            f"refused: {key} needs {max(needed, storage.count) * item_size} bytes of storage "
            f"{named}, which has {num_bytes}"
        )
    if math.prod(tensor.shape) * item_size > max(num_bytes, _LARGEST_REPEATED_BYTES):
        raise WeightsError(f"refused: {key} of the shape {tensor.shape} repeats {num_bytes} bytes")
    return StoredTensor(
        file=path,
        offset=begin + tensor.offset * item_size,
        dtype=storage.dtype,
        shape=tensor.shape,
        strides=None if tensor.strides == row_major(tensor.shape) else tensor.strides,
    )


def _data_offset(stream: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where an entry's bytes begin: after a header of its own, whose length it says itself."""
    _check_stored(entry)
    stream.seek(entry.header_offset)
    header = stream.read(_LOCAL_HEADER_BYTES)
    if len(header) < _LOCAL_HEADER_BYTES or header[:4] != b"PK\x03\x04":
        raise WeightsError(f"is damaged at {printable(entry.filename)}")
    name, extra = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
    begin = entry.header_offset + _LOCAL_HEADER_BYTES + name + extra
    if begin + entry.file_size > stream.seek(0, 2):
        raise WeightsError(f"is cut off or damaged at {printable(entry.filename)}")
    return begin
