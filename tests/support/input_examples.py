"""An input of each kind, as a config has it, made from what the kind declares."""

from __future__ import annotations

from typing import assert_never

from hhsim.model import units
from hhsim.model.inputs.base import Drawn, Input, Key, Number, ReceptorName


def example(key: Key) -> str:
    """A value of a key, as a config has it."""
    match key:
        case Number(unit) | Drawn(unit):
            return f'"{units.write(1.0, unit)}"'
        case ReceptorName():
            return '"exc"'
        case _:
            assert_never(key)


def table_of(kind: type[Input], target: str) -> str:
    """The table of an input of this kind, one of each unit or a receptor called "exc"."""
    keys = "".join(f"{name} = {example(key)}\n" for name, key in kind.own_keys().items())
    return f'[[input]]\nmodel = "{kind.kind}"\ntarget = "{target}"\n{keys}'
