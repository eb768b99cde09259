"""Find the state dict in a torch file's contents, whatever is wrapped around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sd_bench.errors import WeightsError, printable
from sd_bench.weights.parts import UNET
from sd_bench.weights.restricted_pickle import PickledTensor

#: A Lightning file's key for it, preferred to other state dicts, such as averaged ones.
_LIGHTNING = "state_dict"
#: How many levels of nested tables are searched, and how many names an error lists.
_DEEPEST, _MOST_NAMED = 3, 5
#: All keys of a UNet contain this, after any prefix.
_UNET = UNET.split(".")[1] + "."


def find_state_dict(content: Any) -> dict[str, PickledTensor]:
    """The tensors of the one state dict in ``content``, by name.

    Raises WeightsError, saying what was found, if there is none or more than one.
    """
    if not isinstance(content, dict):
        raise WeightsError(f"holds no state dict but {_kind(content)}: save the model's state_dict")
    if isinstance(content.get(_LIGHTNING), dict):
        content = content[_LIGHTNING]
    found = dict(_candidates(content, "", _DEEPEST, set()))
    whole = [name for name in found if any(_UNET in key for key in found[name])]
    names = whole or list(found)
    if not names:
        raise WeightsError(
            f"holds no state dict: no tensors with names in it, but {_keys(content)}"
        )
    if len(names) > 1:
        listed = ", ".join(printable(name) for name in names[:_MOST_NAMED])
        raise WeightsError(f"holds several state dicts ({listed}): save only the one that you need")
    return found[names[0]]


def find_statements(content: Any) -> dict[str, str]:
    """What the settings in a Lightning file say about its model's kind of prediction."""
    settings = content.get("hyper_parameters") if isinstance(content, dict) else None
    kind = settings.get("parameterization") if isinstance(settings, dict) else None
    return {"hyper_parameters.parameterization": kind} if isinstance(kind, str) else {}


def _candidates(
    table: dict[Any, Any], name: str, depth: int, seen: set[int]
) -> Iterator[tuple[str, dict[str, PickledTensor]]]:
    """Every table of named tensors, by name; the search stops at one that holds a UNet."""
    if id(table) in seen:
        return
    seen.add(id(table))
    tensors = {k: v for k, v in table.items() if isinstance(v, PickledTensor) and type(k) is str}
    if tensors:
        yield name or "the whole file", tensors
    if any(_UNET in key for key in tensors):
        return
    for key, value in table.items() if depth else ():
        if isinstance(value, dict) and type(key) is str:
            yield from _candidates(value, f"{name}.{key}" if name else key, depth - 1, seen)


def _kind(content: Any) -> str:
    kinds = {list: "a list", tuple: "a tuple", PickledTensor: "a single tensor"}
    return kinds.get(type(content), "an object of another kind")


def _keys(content: dict[Any, Any]) -> str:
    if not content:
        return "an empty table"
    names = [printable(key) for key in list(content)[:_MOST_NAMED] if type(key) is str]
    return ", ".join(names) or "other things"
