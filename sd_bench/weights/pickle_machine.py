"""A pickle interpreter that carries out only the steps that build plain values.

A pickle is a program for a small stack machine. This is such a machine, with the steps that files
of weights use. Unlike Python's, it calls only what its ``Names`` returned, sets no object's state,
hashes only plain values and short tuples of them, and counts its steps, because a program of a few
bytes can take unlimited time and memory.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, Protocol

from sd_bench.errors import WeightsError, printable

#: The most steps of a program, and the most elements that its calls may take. The largest real
#: files, training states with an optimizer, have about 150,000 steps.
_MOST_STEPS, _MOST_ARGUMENTS = 600_000, 2_000_000
#: The allowed types of keys of a table and elements of a set, alone or in tuples.
_PLAIN = (str, bytes, int, float, complex, bool, type(None))


class Names(Protocol):
    """Resolves the names in a pickle. Both methods raise WeightsError for an unknown name.

    The pickle may call a returned object that has a method ``called``.
    """

    def find(self, module: str, name: str) -> Any:
        """The value of the global ``module.name``."""

    def refer(self, reference: Any) -> Any:
        """The value of a reference to something outside the pickle."""


class Inert:
    """An object whose content is not needed; the machine ignores whatever is done to it."""

    __slots__ = ()

    def called(self, *_: Any) -> Any:
        return self


Step = Callable[["_Machine", Any], None]


def run_pickle(data: bytes, names: Names) -> Any:
    """The value that the pickle builds. Raises WeightsError if it is damaged or does more."""
    machine = _Machine(names, len(data))
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            step = _STEPS.get(opcode.name)
            if opcode.name == "STOP":
                return machine.pop()
            if step is None:
                named = "" if argument is None else f" {printable(repr(argument)[:200])}"
                raise WeightsError(f"refused: its pickle uses {opcode.name}{named}")
            if count > _MOST_STEPS:
                raise WeightsError(f"refused: its pickle has more than {_MOST_STEPS} steps")
            step(machine, argument)
    except WeightsError:
        raise
    except Exception as error:  # a damaged program can cause any error
        reason = printable(f"{type(error).__name__}: {error}")
        raise WeightsError(f"its pickle is damaged ({reason})") from None
    raise WeightsError("its pickle is damaged (it has no end)")


class _Machine:
    def __init__(self, names: Names, num_bytes: int) -> None:
        self.names, self.num_bytes = names, num_bytes
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.arguments_left = _MOST_ARGUMENTS

    def pop(self) -> Any:
        return self.stack.pop()

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_mark(self) -> list[Any]:
        found, self.stack = self.stack, self.below.pop()
        return found

    def mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def put(self, key: Any) -> None:
        if int(key) > self.num_bytes:
            raise WeightsError("refused: its pickle asks for more memory than it can use")
        self.memo[int(key)] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, key: Any) -> None:
        self.push(self.memo[int(key)])

    def call(self, thing: Any, arguments: Any) -> None:
        if not isinstance(arguments, tuple) or not hasattr(type(thing), "called"):
            raise WeightsError("refused: its pickle calls something that cannot be called")
        sized = (a for a in arguments if isinstance(a, (tuple, list, dict, set, frozenset)))
        self.arguments_left -= len(arguments) + sum(map(len, sized))
        if self.arguments_left < 0:
            raise WeightsError("refused: its pickle copies more than any real one does")
        self.push(thing.called(*arguments))

    def reduce(self, _: Any) -> None:
        arguments = self.pop()
        self.call(self.pop(), arguments)

    def new_with_names(self, _: Any) -> None:
        """Call without the keyword arguments; objects that take any are not needed."""
        self.pop()
        self.reduce(None)

    def build(self, _: Any) -> None:
        """Drop a state instead of setting it, such as the ``_metadata`` of a state dict."""
        self.pop()
        if not isinstance(self.stack[-1], (Inert, dict, list)):
            raise WeightsError("refused: its pickle changes something that it may only call")

    def global_(self, named: Any) -> None:
        module, _, name = named.partition(" ")
        self.push(self.names.find(module, name))

    def stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise WeightsError("refused: its pickle uses something other than text as a name")
        self.push(self.names.find(module, name))

    def refer(self, _: Any) -> None:
        self.push(self.names.refer(self.pop()))

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Inert):
            raise WeightsError("refused: its pickle appends to something that is not a list")

    def add(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, set):
            target.update(map(hashable, values))
        elif not isinstance(target, Inert):
            raise WeightsError("refused: its pickle adds to something that is not a set")

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            target.update(to_dict(zip(values[::2], values[1::2], strict=True)))
        elif not isinstance(target, Inert):
            raise WeightsError("refused: its pickle fills something that is not a table")


def hashable(value: Any) -> Any:
    """``value`` if it may be a key. Raises WeightsError for nested values, which hash slowly."""
    parts = value if type(value) is tuple and len(value) <= 16 else (value,)
    if not all(type(part) in _PLAIN or hasattr(type(part), "called") for part in parts):
        raise WeightsError("refused: its pickle has keys that are nested values")
    return value


def to_dict(pairs: Any) -> dict[Any, Any]:
    """A dict of (key, value) pairs. Raises WeightsError for keys that are nested values."""
    return {hashable(key): value for key, value in pairs}


def _constant(value: Any) -> Step:
    return lambda machine, _: machine.push(value)


def _push(machine: _Machine, argument: Any) -> None:
    machine.push(argument)


def _drop(machine: _Machine, to_mark: bool) -> None:
    machine.pop_mark() if to_mark else machine.pop()


def _tuple_of(count: int) -> Step:
    def step(machine: _Machine, _: Any) -> None:
        if len(machine.stack) < count:
            raise IndexError("pop from an empty stack")
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return step


_STEPS: dict[str, Step] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "STOP": lambda machine, _: None,
    "MARK": _Machine.mark,
    "POP": lambda machine, _: _drop(machine, to_mark=not machine.stack),
    "POP_MARK": lambda machine, _: _drop(machine, to_mark=True),
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    "MEMOIZE": _Machine.memoize,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    **dict.fromkeys(
        (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
            *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
            *("STRING", "BINSTRING", "SHORT_BINSTRING"),
            *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        ),
        _push,
    ),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": _constant(()),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "DICT": lambda machine, _: _dict(machine),
    "LIST": lambda machine, _: _collected(machine, list),
    "TUPLE": lambda machine, _: _collected(machine, tuple),
    "FROZENSET": lambda machine, _: _collected(
        machine, lambda values: frozenset(map(hashable, values))
    ),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "SETITEM": lambda machine, _: machine.set_items(_popped(machine, 2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "APPEND": lambda machine, _: machine.append(_popped(machine, 1)),
    "APPENDS": lambda machine, _: machine.append(machine.pop_mark()),
    "ADDITEMS": lambda machine, _: machine.add(machine.pop_mark()),
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "NEWOBJ_EX": _Machine.new_with_names,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.refer,
}


def _popped(machine: _Machine, count: int) -> list[Any]:
    return [machine.pop() for _ in range(count)][::-1]


def _collected(machine: _Machine, make: Callable[[list[Any]], Any]) -> None:
    values = machine.pop_mark()
    machine.push(make(values))


def _dict(machine: _Machine) -> None:
    values = machine.pop_mark()
    machine.push(to_dict(zip(values[::2], values[1::2], strict=True)))
