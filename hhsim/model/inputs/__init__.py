"""The kinds of inputs that a config can name: each file of this folder declares the kind of its name."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module

from hhsim.model.input import Input


def _declared() -> Iterator[tuple[str, type[Input]]]:
    for found in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{found.name}")
        (kind,) = (
            each
            for each in vars(module).values()
            if isinstance(each, type) and each.__module__ == module.__name__ and issubclass(each, Input)
        )
        assert kind.kind == found.name, f"{module.__file__} declares {kind.kind}"
        yield kind.kind, kind


KINDS: Mapping[str, type[Input]] = dict(_declared())
"""By the name in a config, in the order of these names."""
