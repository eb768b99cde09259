"""A pickle inside a checkpoint can run nothing."""

from __future__ import annotations

import builtins
import contextlib
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sd_bench.errors import WeightsError
from sd_bench.weights.checkpoint import open_checkpoint
from sd_bench.weights.restricted_pickle import PickledTensor, Placeholder, unpickle
from tests.support.payloads import KEY, payloads, stack_global, state_of, tensor


def write_zip(path: Path, program: bytes, storages: dict[str, bytes] | None = None) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)


@pytest.mark.parametrize("name", sorted(payloads(Path("mark"))))
def test_no_payload_runs_and_each_is_named(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "mark"
    program, named = payloads(mark)[name]
    write_zip(tmp_path / "model.ckpt", program)
    with pytest.raises(WeightsError) as caught:
        open_checkpoint(tmp_path / "model.ckpt")
    assert named in str(caught.value)
    assert "refused" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_the_payloads_that_call_out_do_run_where_nothing_holds_them(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    for name in ("os.system", "builtins.eval", "builtins.exec", "subprocess", "nested reduce"):
        mark = tmp_path / name.replace(" ", "-")
        pickle.loads(payloads(mark)[name][0])
        assert mark.exists(), name


@pytest.mark.slow
def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    write_zip(tmp_path / "model.ckpt", payloads(mark)["os.system"][0])
    ran = subprocess.run(
        [sys.executable, "-m", "sd_bench", f"weights={tmp_path / 'model.ckpt'}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert f"{os.system.__module__}.system" in ran.stderr
    assert not mark.exists()


def test_a_sound_tensor_is_located(tmp_path: Path) -> None:
    write_zip(tmp_path / "m.ckpt", state_of(tensor((2, 3), (3, 1), 6)), {"0": bytes(24)})
    stored = open_checkpoint(tmp_path / "m.ckpt").tensors[KEY]
    assert (stored.shape, stored.dtype, stored.strides) == ((2, 3), "float32", None)


@pytest.mark.parametrize(
    ("program", "data", "expected"),
    [
        (
            tensor((2, 3), (3, 1), 6),
            {"0": bytes(20)},
            "of storage '0', which has 20",
        ),
        (tensor((2, 3), (3, 1), 10**9), {"0": bytes(24)}, "which has 24"),
        (tensor((2, 3), (3, 1), 6, offset=1), {"0": bytes(24)}, "needs 28 bytes"),
        (tensor((2, 3), (10**9, 1), 6), {"0": bytes(24)}, "which has 24"),
        (tensor((-2, 3), (3, 1), 6), {"0": bytes(24)}, "an invalid shape"),
        (tensor((2, 3), (3,), 6), {"0": bytes(24)}, "invalid strides"),
        (tensor((2, 3), (3, 1), 6, offset=-1), {"0": bytes(24)}, "an invalid shape"),
        (tensor((2, 3), (3, 1), 6), {}, "storage '0', which is missing"),
    ],
)
def test_a_storage_that_lies_about_its_size_is_refused(
    tmp_path: Path, program: bytes, data: dict[str, bytes], expected: str
) -> None:
    write_zip(tmp_path / "model.ckpt", state_of(program), data)
    with pytest.raises(WeightsError, match="refused") as caught:
        open_checkpoint(tmp_path / "model.ckpt")
    assert expected in str(caught.value)


def test_a_pickle_that_asks_for_memory_gets_none() -> None:
    greedy = b"\x80\x02]r" + struct.pack("<I", 2**31) + b"."
    with pytest.raises(WeightsError, match="more memory"):
        unpickle(greedy)


@pytest.mark.parametrize(
    "make",
    [
        lambda: stack_global("pytorch_lightning.callbacks", "ModelCheckpoint", {"monitor": "loss"}),
        lambda: stack_global("omegaconf.dictconfig", "DictConfig", ({}, {"_flags": [1]})),
        lambda: b"\x80\x02cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(K\0tRK\1tR.",
        lambda: b"\x80\x02ctorch\ndevice\n(X\x03\0\0\0cputR.",
    ],
)  # fmt: skip
def test_what_real_checkpoints_name_becomes_a_placeholder(make: Callable[[], bytes]) -> None:
    assert isinstance(unpickle(make()), Placeholder)


def test_a_placeholder_keeps_nothing_and_cannot_be_changed() -> None:
    """A pickle that calls one, sets a state, an entry or an element gets the same placeholder."""
    program = b"\x80\x02cargparse\nNamespace\n)R}X\x01\0\0\0aK\x01sbK\x01K\x02sK\x03a."
    thing = unpickle(program)
    assert isinstance(thing, Placeholder)
    assert thing.called(3) is thing
    with pytest.raises(AttributeError):
        thing.method = print


def test_slot_state_cannot_change_the_functions_that_rebuild_tensors() -> None:
    state = b"(N}X\x0b\0\0\0__globals__K\x01st"  # like that of a class with slots
    program = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + state + b"b."
    with pytest.raises(WeightsError):
        unpickle(program)


def test_plain_content_reads_as_pickle_reads_it() -> None:
    content = {"a": [1, 2.5, "x", None, True], "b": (1, (2,)), "c": {1: {2: 3}}}
    for protocol in range(2, 6):
        assert unpickle(pickle.dumps(content, protocol)) == pickle.loads(pickle.dumps(content))
    assert unpickle(pickle.dumps(OrderedDict(a=1), 2)) == {"a": 1}
    assert unpickle(pickle.dumps({1, 2}, 2)) == {1, 2}


def test_a_file_of_torch_save_reads_as_torch_reads_it(tmp_path: Path) -> None:
    tensors = {f"{KEY}.{d}": torch.ones(2, 3).to(d) for d in (torch.float16, torch.bfloat16)}
    tensors["p"] = torch.nn.Parameter(torch.zeros(4))
    torch.save(tensors, tmp_path / "model.ckpt")
    with zipfile.ZipFile(tmp_path / "model.ckpt") as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("data.pkl"))
        state = unpickle(archive.read(name))
    assert {key: value.storage.dtype for key, value in state.items()} == {
        f"{KEY}.torch.float16": "float16", f"{KEY}.torch.bfloat16": "bfloat16", "p": "float32",
    }  # fmt: skip
    assert all(isinstance(value, PickledTensor) for value in state.values())


def test_damage_anywhere_is_an_error_and_never_a_crash() -> None:
    sound = state_of(tensor((2, 3), (3, 1), 6))
    messages = []
    for position in range(len(sound)):
        changed = (0, 255, sound[position] ^ 1)
        programs = [sound[:position] + bytes([b]) + sound[position + 1 :] for b in changed]
        for program in (*programs, sound[:position]):
            try:
                unpickle(program)
            except WeightsError as error:
                messages.append(str(error))
    assert len(messages) > len(sound)
    assert max(map(len, messages)) < 600


def test_no_payload_makes_the_reader_import_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    programs, imported = list(payloads(Path("mark")).values()), []

    def recording(name: str, *arguments: Any) -> Any:
        imported.append(name)
        return original(name, *arguments)

    original = builtins.__import__
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", recording)
        for program, _ in programs:
            with contextlib.suppress(WeightsError):
                unpickle(program)
    assert imported == []
