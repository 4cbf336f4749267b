"""The kinds of inputs that a config can name, a file each. To add one, see `hhsim.model.inputs.base`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from hhsim.model.inputs.base import Input


def _declared() -> Iterator[tuple[str, type[Input]]]:
    """Each kind that stands in the file of its name, by this name."""
    for name in sorted({module.name for module in iter_modules(__path__)} - {"base"}):
        module = import_module(f"{__name__}.{name}")
        own = (each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__)
        (kind,) = (each for each in own if isinstance(each, type) and issubclass(each, Input))
        if kind.kind != name:
            raise TypeError(f"{module.__file__} declares {kind.kind}")
        yield name, kind


KINDS: Mapping[str, type[Input]] = dict(_declared())  # by the name in a config
