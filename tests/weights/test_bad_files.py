"""Files that are not weights: one line, exit code 2, and nothing lost."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sd_bench.errors import WeightsError
from sd_bench.weights.checkpoint import open_checkpoint

KEY = "model.diffusion_model.out.2.bias"


def sound_ckpt(path: Path) -> bytes:
    torch.save({KEY: torch.zeros(5000)}, path)
    return path.read_bytes()


def sound_safetensors(path: Path) -> bytes:
    save_file({KEY: torch.zeros(5000)}, path)
    return path.read_bytes()


def header(**entry: object) -> bytes:
    text = json.dumps({KEY: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}})
    return struct.pack("<Q", len(text)) + text.encode() + bytes(8)


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def write_zip(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")


def compressed(path: Path) -> None:
    sound_ckpt(path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("a.ckpt", lambda p: None, "no such file or directory"),
    "empty ckpt": ("a.ckpt", lambda p: write(p, b""), "is empty"),
    "empty safetensors": ("a.safetensors", lambda p: write(p, b""), "is empty"),
    "zero bytes ckpt": ("a.ckpt", lambda p: write(p, bytes(9999)), "is neither a safetensors file"),
    "zero bytes safetensors": ("a.safetensors", lambda p: write(p, bytes(9999)), "is neither"),
    "git lfs": ("a.ckpt", lambda p: write(p, b"version https://git-lfs"), "a Git LFS pointer"),
    "a web page": ("a.safetensors", lambda p: write(p, b"<!DOCTYPE html>"), "is a web page"),
    "another kind": ("a.png", lambda p: write(p, b"\x89PNG"), "is neither a safetensors file"),
    "truncated ckpt": (
        "a.ckpt", lambda p: write(p, sound_ckpt(p)[:-5000]), "is cut off or damaged",
    ),
    "truncated safetensors": (
        "a.safetensors", lambda p: write(p, sound_safetensors(p)[:-1]), "is cut off: " + KEY,
    ),
    "truncated header": (
        "a.safetensors", lambda p: write(p, sound_safetensors(p)[:40]), "is cut off: its header",
    ),
    "a few bytes": ("a.safetensors", lambda p: write(p, b"\x08\0\0"), "is neither a safe"),
    "a folder": ("folder", lambda p: p.mkdir(), "is a folder without unet/, vae/ and"),
    "an old torch file": (
        "a.ckpt", lambda p: write(p, pickle.dumps(0x1950A86A20F9469CFC6C, 2)), "before 1.6",
    ),
    "another zip": ("a.ckpt", lambda p: write_zip(p, "readme.txt"), "holds no data.pkl"),
    "two pickles": ("a.ckpt", lambda p: write_zip(p, "a/data.pkl", "b/data.pkl"), "no data.pkl"),
    "compressed": ("a.ckpt", compressed, "is compressed"),
    "no state dict": ("a.ckpt", lambda p: torch.save([1, 2], p), "holds no state dict"),
    "no tensors": ("a.ckpt", lambda p: torch.save({"state_dict": {"a": 1}}, p), "no state dict"),
    "another network": (
        "a.safetensors", lambda p: save_file({"conv_in.weight": torch.zeros(1)}, p),
        "holds no Stable Diffusion",
    ),
    "a header that lies about bytes": (
        "a.safetensors", lambda p: write(p, header(shape=[3])), "is damaged at " + KEY,
    ),
    "a header with negative sizes": (
        "a.safetensors", lambda p: write(p, header(shape=[-2])), "is damaged at " + KEY,
    ),
    "a header of another dtype": (
        "a.safetensors", lambda p: write(p, header(dtype="F31")), "is damaged at " + KEY,
    ),
    "a header that is a list": (
        "a.safetensors", lambda p: write(p, struct.pack("<Q", 2) + b"[]"), "is neither a safe",
    ),
    "a deep header": (
        "a.safetensors",
        lambda p: write(p, struct.pack("<Q", 200_005) + b'{"a":' + b"[" * 200_000),
        "nested too deep",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_each_is_an_error_of_one_line_that_names_the_file(tmp_path: Path, name: str) -> None:
    file, make, expected = BAD[name]
    path = tmp_path / file
    make(path)
    with pytest.raises(WeightsError) as caught:
        open_checkpoint(path)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user, which only root may")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    sound_ckpt(path)
    path.chmod(0)
    path.parent.chmod(0o755)
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from sd_bench.weights.checkpoint import open_checkpoint\n"
        "from sd_bench.errors import WeightsError\n"
        "os.setuid(65534)\n"
        "try:\n    open_checkpoint(Path(sys.argv[1]))\n"
        "except WeightsError as error:\n    print(error)\n"
    )
    here = tmp_path.parents[2]
    modes = {folder: folder.stat().st_mode for folder in (*tmp_path.parents, tmp_path)}
    try:
        for folder in modes:
            if here in folder.parents or folder in (here, tmp_path):
                folder.chmod(0o755)
        ran = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60
        )
    finally:
        for folder, mode in modes.items():
            folder.chmod(mode)
    assert ran.stdout == f"{path}: permission denied\n", ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["missing", "truncated safetensors", "a folder"])
def test_the_command_reports_it_with_exit_code_2_and_leaves_nothing(
    tmp_path: Path, name: str
) -> None:
    file, make, expected = BAD[name]
    make(tmp_path / file)
    for given in ([], ["model_version=sd2_tiny"]):
        ran = subprocess.run(
            [sys.executable, "-m", "sd_bench", f"weights={tmp_path / file}", *given,
             f"hydra.sweep.dir={tmp_path / 'out'}"],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert ran.returncode == 2
        assert expected in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    from sd_bench.weights.checkpoint_weights import read

    path = tmp_path / "a.safetensors"
    data = sound_safetensors(path)
    stored = open_checkpoint(path).tensors[KEY]
    write(path, data[:-100])
    with pytest.raises(WeightsError, match="is cut off at byte"):
        read(stored)
