"""Parsed JSON turned into dataclasses, with an error that says where a value does not fit."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any

Decoder = Callable[[Any], Any]


class _MismatchError(ValueError):
    """A value that is not as it should be; ``where`` is its path inside of the record."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"record{where} {message}")
        self.message, self.where = message, where

    def inside(self, where: str) -> _MismatchError:
        return _MismatchError(self.message, where + self.where)


@cache
def decoder(expected: Any) -> Decoder:
    """What turns parsed JSON into ``expected``: dataclasses, lists, dicts, unions, plain values."""
    if expected is Any:
        return _as_it_is
    if isinstance(expected, type) and dataclasses.is_dataclass(expected):
        return _dataclass_decoder(expected)
    origin, options = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        (option,) = (o for o in options if o is not type(None))
        decode = decoder(option)
        return lambda value: None if value is None else decode(value)
    if origin is list:
        return _list_decoder(expected, options[0])
    if origin is dict:
        return _dict_decoder(expected, options[1])
    return _plain_decoder(expected)


def _as_it_is(value: Any) -> Any:
    return value


def _plain_decoder(expected: Any) -> Decoder:
    def decode(value: Any) -> Any:
        if type(value) is expected:
            return value
        if expected is float and type(value) is int:
            return float(value)
        raise _unexpected(expected, value)

    return decode


def _list_decoder(expected: Any, item: Any) -> Decoder:
    decode_item = decoder(item)

    def decode(value: Any) -> Any:
        if not isinstance(value, list):
            raise _unexpected(expected, value)
        if item is float and set(map(type, value)) <= {float}:
            return value  # what most of a record is
        return [_inside(decode_item, entry, f"[{i}]") for i, entry in enumerate(value)]

    return decode


def _dict_decoder(expected: Any, item: Any) -> Decoder:
    decode_item = decoder(item)

    def decode(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _unexpected(expected, value)
        if item is Any:
            return value
        return {key: _inside(decode_item, entry, f".{key}") for key, entry in value.items()}

    return decode


def _inside(decode: Decoder, value: Any, where: str) -> Any:
    try:
        return decode(value)
    except _MismatchError as error:
        raise error.inside(where) from None


def _dataclass_decoder(cls: type) -> Decoder:
    decoders = {name: decoder(hint) for name, hint in typing.get_type_hints(cls).items()}
    required = frozenset(
        f.name
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    )

    def decode(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _MismatchError(f"should be an object, is {type(value).__name__}")
        if unknown := value.keys() - decoders.keys():
            raise _MismatchError(f"has unknown fields {sorted(unknown)}")
        if missing := required - value.keys():
            raise _MismatchError(f"lacks {sorted(missing)}")
        fields = {}
        for key, entry in value.items():
            try:
                fields[key] = decoders[key](entry)
            except _MismatchError as error:
                raise error.inside(f".{key}") from None
        return cls(**fields)

    return decode


def _unexpected(expected: Any, value: Any) -> _MismatchError:
    return _MismatchError(f"should be {expected}, is {type(value).__name__}")
