"""What each environment can run on this machine: one row per choice, one column per environment."""

from __future__ import annotations

from collections.abc import Callable

from rich.markup import escape
from rich.table import Table

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.support_rules import unsupported_reason
from sd_bench.capabilities.torch_builds import name_build
from sd_bench.config.schema import ATTENTION_BACKENDS, COMPILE_MODES, PRECISIONS
from sd_bench.environments.interpreter import Interpreter, find_interpreter, host_of
from sd_bench.errors import ConfigError

_ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("attention", ATTENTION_BACKENDS),
    ("compile", COMPILE_MODES),
    ("precision", PRECISIONS),
)
_TORCH_ENVS = ("current", "original", "optimized")


def support_table() -> Table:
    """One row per choice, with "yes" or the reason why not for each existing environment."""
    found = {name: _found(name) for name in _TORCH_ENVS}
    table = Table("", *_TORCH_ENVS, title=f"on {compose_config().gpu.name}")
    executables = (e if isinstance(e, str) else e.executable for e in found.values())
    table.add_row("interpreter", *map(escape, executables))
    facts: tuple[tuple[str, Callable[[Interpreter], str]], ...] = (
        ("torch", lambda i: i.torch),
        ("its build", lambda i: "unknown" if i.build is None else name_build(i.build)),
        ("xformers", lambda i: "yes" if i.has_xformers else "no"),
    )
    for name, fact in facts:
        table.add_row(name, *("-" if isinstance(e, str) else fact(e) for e in found.values()))
    for group, options in _ROWS:
        for option in options:
            cells = (_can_run(env, found[env], group, option) for env in _TORCH_ENVS)
            table.add_row(f"{group}={option}", *map(escape, cells))
    return table


def _found(name: str) -> Interpreter | str:
    try:
        return find_interpreter(compose_config(f"torch_env={name}").torch_env)
    except ConfigError as error:
        return str(error)


def _can_run(env: str, interpreter: Interpreter | str, group: str, option: str) -> str:
    if isinstance(interpreter, str):
        return "-"
    attention = [] if group == "attention" else ["attention=math"]
    config = compose_config(f"torch_env={env}", f"{group}={option}", *attention)
    return unsupported_reason(config, host_of(config, interpreter)) or "yes"
