"""Read a file of weights of any form, recognised by its content, never by its name."""

from __future__ import annotations

from pathlib import Path

from sd_bench.errors import WeightsError
from sd_bench.regular_files import open_regular
from sd_bench.weights.safetensors_file import begins_safetensors, read_safetensors
from sd_bench.weights.stored_tensor import LARGEST_FILE, Contents
from sd_bench.weights.torch_file import read_torch_file
from sd_bench.weights.zip_entries import begins_zip

#: The first bytes of other files that people take for weights, and what to tell them.
_OTHERS = {
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself: run git lfs pull",
    b"<!DOCTYPE": "is a web page: download the file itself",
    b"<!doctype": "is a web page: download the file itself",
    b"<html": "is a web page: download the file itself",
    b"GGUF": "is a GGUF file: use the safetensors file that it was made from",
    b"\x89HDF": "is a Keras file: use the weights for PyTorch",
    b"\x1f\x8b": "is compressed: unpack it first",
    b"7z\xbc\xaf": "is compressed: unpack it first",
    b"Rar!": "is compressed: unpack it first",
    b"PK\x05\x06": "is an empty zip",
    b"\x80": "is in the format of PyTorch before 1.6: load and save it with a newer one",
}


def read_weight_file(path: Path) -> Contents:
    """Every tensor of a file by its name there, and what the file says about itself.

    Raises WeightsError if it is not a file of weights, and OSError.
    """
    with open_regular(path, LARGEST_FILE) as stream:
        begin = stream.read(64)
    if not begin:
        raise WeightsError("is empty")
    if begins_zip(begin):
        return read_torch_file(path)
    if begins_safetensors(begin):
        return read_safetensors(path)
    words = next((words for mark, words in _OTHERS.items() if begin.startswith(mark)), None)
    raise WeightsError(words or "is neither a safetensors file nor one of torch.save")
