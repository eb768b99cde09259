"""``python -m sd_bench.weights.convert IN OUT``: convert between the layouts of the attention.

The numbers, dtypes and everything else in the state dict stay bit for bit the same, so converting
back gives the original state dict. Other contents of a Lightning file (optimiser, callbacks) are
left out. This is never required, because loading converts automatically.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from sd_bench.command_lines import OneLineParser, shown
from sd_bench.errors import ConfigError, WeightsError
from sd_bench.screens.streams import guarded
from sd_bench.weights.checkpoint import Checkpoint, check_sums, open_checkpoint
from sd_bench.weights.checkpoint_weights import read
from sd_bench.weights.layout import BIAS, multihead_place, published_keys
from sd_bench.weights.parts import UNET, Place
from sd_bench.weights.stored_tensor import StoredTensor

_OTHER = {"published": "multihead", "multihead": "published"}
_EMA = "model_ema."
#: A key of the result, and the places in the source that are stacked to make it.
_Step = tuple[str, list[Place]]
_Recipe = tuple[str, list[StoredTensor]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert as the command line says; returns 0, or 2 after one line that says what is wrong."""
    return guarded(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    parser = OneLineParser(
        prog=shown("sd_bench.weights.convert"),
        description="Convert a checkpoint between the published layout of the UNet's attention "
        "and nn.MultiheadAttention's, without loss.",
    )
    parser.add_argument("source", metavar="IN", type=Path, help="a .ckpt or .safetensors file")
    parser.add_argument("target", metavar="OUT", type=Path, help="a new file, of either kind")
    parser.add_argument("--to", choices=_OTHER, help="default: the layout that IN does not have")
    parser.add_argument(
        "--ema",
        choices=("keep", "drop", "use"),
        default="keep",
        help="the averaged weights (model_ema.*): keep them, converted; drop them; or use them "
        "in place of the others (default: keep)",
    )
    try:
        options = parser.parse_args(arguments)
        convert(options.source, options.target, options.to, options.ema)
    except (ConfigError, OSError) as error:
        print(f"sd_bench: {error}", file=sys.stderr)
        return 2
    return 0


def convert(source: Path, target: Path, to: str | None = None, ema: str = "keep") -> None:
    """Write ``target``, in the layout ``to`` ("published" or "multihead"; None: the other one).

    Raises WeightsError if ``source`` cannot be used or ``target`` exists, and OSError.
    """
    if target.suffix not in (".ckpt", ".safetensors"):
        raise WeightsError(f"{target}: name a file that ends in .ckpt or .safetensors")
    if target.exists():
        raise WeightsError(f"{target}: exists already; name a new file")
    if not target.parent.is_dir():
        raise WeightsError(f"{target}: its folder does not exist; make it first")
    checkpoint = open_checkpoint(source)
    if checkpoint.layout == "diffusers":
        raise WeightsError(f"{source}: is a folder of diffusers, which needs no conversion")
    if to == "published" or (to is None and checkpoint.layout == "multihead"):
        _refuse_biases(checkpoint)
    check_sums(source)
    recipes = list(_converted(_with_ema(checkpoint, ema), to or _OTHER[checkpoint.layout]))
    console = Console(stderr=True)
    state = {
        key: _cooked(key, stored)
        for key, stored in track(recipes, f"converting {source.name}", console=console)
    }
    _save(state, target)
    console.print(f"{target}: {len(state)} tensors", highlight=False)


def _with_ema(checkpoint: Checkpoint, ema: str) -> dict[str, StoredTensor]:
    tensors = dict(checkpoint.tensors)
    averaged = [key for key in tensors if key.startswith(_EMA)]
    if ema == "use" and not averaged:
        raise WeightsError(f"{checkpoint.path}: has no averaged weights (model_ema.*) to use")
    if ema == "use":
        for key in (key for key in tensors if key.startswith(UNET)):
            if _ema_key(key) not in tensors:
                raise WeightsError(f"{checkpoint.path}: lacks {_ema_key(key)}; drop --ema use")
            tensors[key] = tensors[_ema_key(key)]
    return tensors if ema == "keep" else {k: t for k, t in tensors.items() if k not in averaged}


def _ema_key(key: str) -> str:
    """The key of the averaged copy of one of the UNet's keys: its name without dots."""
    return _EMA + key.removeprefix("model.").replace(".", "")


def _converted(tensors: dict[str, StoredTensor], to: str) -> Iterator[_Recipe]:
    """The state dict in the layout ``to``, in its original order, including averaged copies."""
    steps_to = {"multihead": _to_multihead, "published": _to_published}[to]
    steps = {key: steps_to(key) for key in tensors if key.startswith(UNET)}
    steps |= {
        _ema_key(key): [(_ema_key(n), [replace(p, key=_ema_key(p.key)) for p in ps]) for n, ps in s]
        for key, s in steps.items()
        if _ema_key(key) in tensors
    }
    for key in tensors:
        for name, places in steps.get(key, [(key, [Place(key)])]):
            yield name, [tensors[place.key].piece(place.piece, place.count) for place in places]


def _to_multihead(key: str) -> list[_Step]:
    place = multihead_place(key)
    if ".mha." in key or place.key == key:
        return [(key, [Place(key)])]
    if place.piece > 0:  # part of the matrix that is made for the first piece
        return []
    steps = [(place.key, [Place(part) for part in published_keys(place.key)])]
    if place.key.endswith(("in_proj_weight", "v_proj_weight")):
        head, _, _ = place.key.rpartition("mha.")
        steps.append((head + BIAS, [Place(key)] * 3))  # as long as q, k and v together
    return steps


def _to_published(key: str) -> list[_Step]:
    sources = published_keys(key)
    return [(name, [Place(key, i, len(sources))]) for i, name in enumerate(sources)]


def _cooked(key: str, stored: Sequence[StoredTensor]) -> Tensor:
    tensors = [read(part) for part in stored]
    if key.endswith((BIAS, BIAS.replace(".", ""))):
        is_own = len(tensors) == 1 and tensors[0].ndim == 1
        return tensors[0] if is_own else tensors[0].new_zeros(sum(len(t) for t in tensors))
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def _refuse_biases(checkpoint: Checkpoint) -> None:
    """Raise WeightsError for a bias that is not zero, which the published layout cannot hold."""
    for key, stored in checkpoint.tensors.items():
        if key.endswith((BIAS, BIAS.replace(".", ""))) and read(stored).any():
            raise WeightsError(
                f"{checkpoint.path}: {key} is not zero; the published layout has no such bias"
            )


def _save(state: dict[str, Tensor], target: Path) -> None:
    """Write ``target`` atomically, through a partial file in the same folder."""
    partial = target.with_name(target.name + ".partial")
    try:
        if target.suffix == ".safetensors":
            save_file(state, partial, metadata={"format": "pt"})
        else:
            torch.save({"state_dict": state}, partial)
    except (RuntimeError, SafetensorError) as error:  # what the libraries raise for a full disk
        raise WeightsError(f"{target}: cannot be written ({error})") from None
    else:
        os.link(partial, target)  # unlike renaming, never replaces a file that has just appeared
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
