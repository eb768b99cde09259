"""Valid checkpoints and records with something changed, and how a reader must handle them."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from sd_bench.capabilities.composition import compose_config
from sd_bench.config.schema import Config
from sd_bench.errors import RecordError, WeightsError
from sd_bench.execution.pinning import pinned
from sd_bench.records import find_records, read_record
from sd_bench.weights.checkpoint import open_checkpoint
from sd_bench.weights.checkpoint_weights import read, stored_parts
from tests.support.composition import QUICK_TO_COMPILE
from tests.support.records import sample_record, write_sample
from tests.support.state_dicts import network_parts, state_dict

#: Values that may replace a field.
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**70, 1e308, "", "x" * 1000, "\x1b[2J\n", [], {}, [[]], {"a": []},
    "=1+1", "../../x", -1.5, [0] * 50,
)  # fmt: skip

#: Outcomes of a mutant.
REFUSED, RIGHT = "refused in one line", "read, and right"
OTHERS = "safetensors read as other weights, named by their digest"


@lru_cache(maxsize=1)
def _config() -> Config:
    """An even smaller twin: thousands of its files are written and read."""
    small = (*QUICK_TO_COMPILE, "model_version.text_encoder.vocab_size=500")
    return compose_config(
        "gpu=cpu", "precision=fp32", "sampler=ddim", "model_version=sd2_tiny", *small
    )


@lru_cache(maxsize=1)
def _expected() -> dict[str, Tensor]:
    return network_parts(_config())


@lru_cache(maxsize=1)
def _sound() -> dict[str, bytes]:
    state = state_dict(_config())
    with TemporaryDirectory() as folder:
        torch.save({"state_dict": state, "epoch": 1}, Path(folder) / "m")
        return {"torch": (Path(folder) / "m").read_bytes(), "safetensors": save(state)}


def checkpoint_mutant(seed: int) -> bytes:
    """A tiny checkpoint in either format with something changed."""
    rng = random.Random(seed)
    form = rng.choice(("torch", "safetensors"))
    return rng.choice(_MUTATIONS[form])(_sound()[form], rng)


def describe_checkpoint(seed: int) -> str:
    """A description of the change."""
    rng = random.Random(seed)
    form = rng.choice(("torch", "safetensors"))
    return f"{form}, {rng.choice(_MUTATIONS[form]).__name__}"


def judge_checkpoint(data: bytes, path: Path) -> str:
    """The outcome of loading a mutant with the command and in a round.

    Raises AssertionError for a refusal that is not one line, and for numbers other than those
    saved. Safetensors files are excepted: they have no checksum, and the digest identifies the
    weights.
    """
    path.write_bytes(data)
    config = replace(_config(), weights=str(path))
    model = config.model_version
    try:
        digest = pinned(config).weights_digest
        checkpoint = open_checkpoint(path)
        found = {key: read(stored) for key, stored in stored_parts(checkpoint, model).items()}
    except WeightsError as error:
        return _refused(str(error), path)
    expected = _expected()
    assert found.keys() == expected.keys()
    if all(_same(found[key], expected[key]) for key in expected):
        return RIGHT
    assert not data.startswith(b"PK"), "a zip reads with changed numbers"
    assert digest == hashlib.sha256(data).hexdigest()
    return OTHERS


def _refused(message: str, path: Path) -> str:
    assert message.startswith(f"{path}: "), message
    assert message.isprintable(), message
    assert len(message) < 2500, message[:200]
    return REFUSED


def _same(found: Tensor, expected: Tensor) -> bool:
    return torch.equal(found.float().view(expected.shape), expected)


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(_structure(data, rng))] = rng.randrange(256)
    return bytes(changed)


def _structure(data: bytes, rng: random.Random) -> int:
    """How far changes reach: usually the table of contents, sometimes also the numbers."""
    if rng.random() < 0.1:
        return len(data)
    at = data.find(b"archive/data/0") if data.startswith(b"PK") else -1
    return at if at > 0 else min(len(data), 8 + int.from_bytes(data[:8], "little") % len(data))


def _flip_numbers(data: bytes, rng: random.Random) -> bytes:
    """Flip one bit anywhere: nearly always in the numbers."""
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flip_at_the_end(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[-rng.randrange(1, 200_000)] = rng.randrange(256)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _moved(data: bytes, rng: random.Random) -> bytes:
    begin, length = rng.randrange(_structure(data, rng)), rng.randrange(1, 40)
    piece = data[begin : begin + length]
    return data[:begin] + piece * rng.choice((0, 2)) + data[begin + length :]


def _header_changed(data: bytes, rng: random.Random) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    key = rng.choice(list(header))
    choice = rng.randrange(6)
    if choice == 0:
        header[key] = rng.choice(ODD_VALUES)
    elif choice == 1:
        del header[key]
    elif choice == 2:
        header[rng.choice(("v_pred", "control.a", "module." + key, "a" * 999))] = header[key]
    elif choice == 3:
        header["__metadata__"] = rng.choice(ODD_VALUES)
    else:
        header[key][rng.choice(("dtype", "shape", "data_offsets"))] = rng.choice(ODD_VALUES)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


_Mutation = Callable[[bytes, random.Random], bytes]
_MUTATIONS: dict[str, tuple[_Mutation, ...]] = {
    "torch": (_flip, _flip, _flip_numbers, _flip_at_the_end, _cut, _moved),
    "safetensors": (_flip, _flip_numbers, _cut, _moved, _header_changed, _header_changed),
}


@lru_cache(maxsize=1)
def _sound_record() -> str:
    with TemporaryDirectory() as folder:
        write_sample(Path(folder), sample_record(1.0, 1.1))
        return next(find_records(Path(folder))).read_text()


def record_mutant(seed: int) -> bytes:
    """A record with a value replaced, a field removed, or bytes changed."""
    rng = random.Random(seed)
    text = _sound_record()
    if rng.random() < 0.3:
        return rng.choice((_flip_text, _cut, _moved))(text.encode(), rng)
    data = json.loads(text)
    holder, key = rng.choice(list(_places(data)))
    if rng.random() < 0.2:
        del holder[key]
    else:
        holder[key] = rng.choice(ODD_VALUES)
    return json.dumps(data).encode()


def describe_record(seed: int) -> str:
    """The mutant, or the beginning of it."""
    return repr(record_mutant(seed))


def _flip_text(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(changed)


def _places(value: Any) -> list[tuple[Any, Any]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    return [p for key, inner in items for p in ((value, key), *_places(inner))]


def judge_record(data: bytes, path: Path) -> str:
    """The outcome of reading a mutant. Raises AssertionError for a refusal that is not one line."""
    path.write_bytes(data)
    try:
        read_record(path)
    except RecordError as error:
        return _refused(str(error), path)
    return RIGHT
