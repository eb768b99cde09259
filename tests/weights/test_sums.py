"""A file of torch.save with numbers changed by a bad disk or download is not loaded."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sd_bench.errors import WeightsError
from sd_bench.execution.pinning import pinned
from sd_bench.weights.checkpoint import digest, open_checkpoint
from sd_bench.weights.convert import convert
from sd_bench.weights.zip_entries import SumCheck, opened_zip
from tests.support.checkpoints import (
    assert_loads,
    networks_of,
    save_folder,
    tiny_config,
    tiny_state,
)


def save(path: Path) -> Path:
    torch.save({"state_dict": tiny_state()}, path)
    return path


def damage(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def place_in(path: Path, name: str) -> int:
    """The position of a byte in the middle of the entry with this name."""
    with path.open("rb") as stream, opened_zip(stream) as entries:
        entry = entries.locate(entries.by_name[name])
    return entry.begin + entry.size // 2


def without_sums(path: Path) -> None:
    """A file as ``torch.serialization.set_crc32_options(False)`` writes it: all sums are zero."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at, count = archive.start_dir, len(archive.infolist())
    for _ in range(count):
        content[at + 16 : at + 20] = bytes(4)
        at += 46 + sum(int.from_bytes(content[at + i : at + i + 2], "little") for i in (28, 30, 32))
    path.write_bytes(bytes(content))


def entries_of(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return [e.filename for e in archive.infolist() if e.file_size > 200]


@pytest.mark.slow
@pytest.mark.parametrize("index", [1, 2, -1])
def test_one_bit_of_the_numbers_is_one_line_before_anything_runs(
    tmp_path: Path, index: int
) -> None:
    path = save(tmp_path / "a.ckpt")
    config = replace(tiny_config(), weights=str(path))
    sound = hashlib.sha256(path.read_bytes()).hexdigest()
    assert pinned(config).weights_digest == sound
    named = entries_of(path)[index]
    damage(path, place_in(path, named))
    open_checkpoint(path)
    with pytest.raises(WeightsError) as caught:
        pinned(config)
    assert str(caught.value).startswith(f"{path}: is damaged: the bytes of {named} are not those")
    assert str(caught.value).isprintable()


def test_of_a_folder_the_damaged_file_is_named(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "folder")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    file = folder / "vae" / "diffusion_pytorch_model.bin"
    torch.save(networks_of()["vae"], file)
    digest(folder)
    damage(file, place_in(file, entries_of(file)[-1]))
    with pytest.raises(WeightsError, match="is damaged: the bytes of") as caught:
        digest(folder)
    assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.slow
def test_a_file_without_sums_loads_and_its_digest_names_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a.ckpt")
    without_sums(path)
    assert_loads(path)
    before = digest(path)
    damage(path, place_in(path, entries_of(path)[-1]))
    assert digest(path) != before


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(torch.serialization, "set_crc32_options"), reason="came with PyTorch 2.6"
)
def test_pytorch_leaves_sums_out_as_this_test_does(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        path = save(tmp_path / "a.ckpt")
    finally:
        torch.serialization.set_crc32_options(before)
    with zipfile.ZipFile(path) as archive:
        assert {entry.CRC for entry in archive.infolist()} == {0}
    assert_loads(path)
    assert digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def read_in_blocks(content: bytes, size: int) -> None:
    sums = SumCheck(io.BytesIO(content))
    for at in range(0, len(content), size):
        sums.update(content[at : at + size])
    sums.finish()


@pytest.mark.parametrize("size", [1, 7, 4096, 2**20])
def test_blocks_may_end_anywhere(size: int) -> None:
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(2000.0), "b": torch.zeros(0), "c": torch.ones(3)}, buffer)
    content = buffer.getvalue()
    read_in_blocks(content, size)
    with pytest.raises(WeightsError, match=r"is cut off at archive/data\.pkl"):
        SumCheck(io.BytesIO(content)).finish()
    changed = content.replace(torch.ones(3).numpy().tobytes(), torch.zeros(3).numpy().tobytes(), 1)
    with pytest.raises(WeightsError, match=r"is damaged: the bytes of archive/data/\d "):
        read_in_blocks(changed, size)


def test_entries_that_share_bytes_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data/0", b"0123")
        archive.filelist.append(archive.filelist[0])
    with pytest.raises(WeightsError, match="is damaged: a/data/0 overlaps another entry"):
        SumCheck(buffer)


def test_nothing_is_converted_from_a_damaged_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.ckpt")
    damage(path, place_in(path, entries_of(path)[-1]))
    with pytest.raises(WeightsError, match="is damaged: the bytes of"):
        convert(path, tmp_path / "b.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["a.ckpt"]
