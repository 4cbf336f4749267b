"""How a channel or a receptor is declared: one function of plain arithmetic and a few facts about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

from hhsim.model.state import State


@dataclass(frozen=True)
class Parameter:
    """A number that a config must give (or may leave out, with a default)."""

    unit: str  # "mV", "ms", "nS", ...: the unit in which the function receives it
    meaning: str
    default: float | None = None
    per_area: bool = False  # may also be given per area of membrane; hhsim multiplies by the cell's area


@dataclass(frozen=True)
class Channel:
    """An ohmic current g_max · Π gate^power · (e_rev − v) whose gates follow dx/dt = α(1 − x) − βx.

    `rates(v, <parameters>)` returns α and β of each gate, in 1/ms, in the order of `gates`:
    α_first, β_first, α_second, β_second, ... It takes the parameters that it names. A channel without
    gates has no `rates`.
    """

    name: str
    gates: Mapping[str, int]  # gate -> its power in the conductance
    parameters: Mapping[str, Parameter]  # always with g_max and e_rev
    rates: Callable[..., Any] | None
    source: str
    meaning: str
    path: str = ""  # the file that declares it, and the line
    line: int | None = None

    def states(self, key: str) -> tuple[State, ...]:
        """The gates of a cell's channel that is called `key` there: shares of 1, such as `na.m`."""
        return tuple(State(f"{key}.{gate}", "", (0.0, 1.0), can_be_steady=True) for gate in self.gates)


@dataclass(frozen=True)
class Receptor:
    """A synaptic conductance g with the current g · (e_rev − v); a spike that arrives adds its weight to g.

    `decay(dt, <parameters>)` returns the factor by which g shrinks in a time dt without arrivals, in ms.
    """

    name: str
    parameters: Mapping[str, Parameter]  # always with e_rev
    decay: Callable[..., Any]
    source: str
    meaning: str
    path: str = ""  # the file that declares it, and the line
    line: int | None = None

    def states(self, key: str) -> tuple[State, ...]:
        """The conductance of a cell's receptor that is called `key` there."""
        return (State(conductance(key), "nS", (0.0, inf)),)


def conductance(receptor: str) -> str:
    """The name of the state to which the spikes that arrive at a receptor of a cell are added."""
    return f"g.{receptor}"


_channels: dict[str, Channel] = {}
_receptors: dict[str, Receptor] = {}
_under_way: list[str] = []  # the files that are being executed

G_MAX = Parameter("nS", "conductance with every gate open", per_area=True)
E_REV = Parameter("mV", "reversal potential")


def channel(
    name: str, *, parameters: Mapping[str, Parameter] | None = None, gates: Mapping[str, int], source: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the channel `name`; decorates the function that returns its rates.

    The function is plain arithmetic on scalars: numbers, its arguments, and `exp` and `exprel` of
    `hhsim.mathx`. It must stand in a file, since the kernels are made from its text.
    """

    def declare(rates: Callable[..., Any]) -> Callable[..., Any]:
        _register(
            _channels,
            Channel(
                name,
                dict(gates),
                {"g_max": G_MAX, "e_rev": E_REV, **(parameters or {})},
                rates if gates else None,
                source,
                (rates.__doc__ or "").strip(),
                *_place(rates),
            ),
        )
        return rates

    return declare


def receptor(
    name: str, *, parameters: Mapping[str, Parameter], source: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the receptor `name`; decorates the function that returns the decay of its conductance."""

    def declare(decay: Callable[..., Any]) -> Callable[..., Any]:
        _register(
            _receptors,
            Receptor(
                name,
                {"e_rev": E_REV, **parameters},
                decay,
                source,
                (decay.__doc__ or "").strip(),
                *_place(decay),
            ),
        )
        return decay

    return declare


def _place(function: Any) -> tuple[str, int | None]:
    """The file and line at which a function stands."""
    code = getattr(function, "__code__", None)
    if code is not None and os.path.isfile(code.co_filename):
        return os.path.abspath(code.co_filename), code.co_firstlineno
    return _under_way[-1] if _under_way else "", None


def _register(registry: dict[str, Any], definition: Channel | Receptor) -> None:
    known = registry.get(definition.name)
    if known is not None and known != definition:
        where = f" (line {known.line} of {known.path})" if known.path == definition.path else ""
        raise ValueError(f"{definition.name!r} is declared twice{where}")
    registry[definition.name] = definition


class Declarations:
    """All declarations, while a file adds to them."""

    registries: tuple[dict[str, Any], dict[str, Any]] = (_channels, _receptors)

    def __init__(self) -> None:
        self._before = set(map(id, self._all()))

    def forget(self, path: str) -> None:
        """Take out what the file at `path` had declared."""
        for registry in self.registries:
            for name in [name for name, each in registry.items() if each.path == path]:
                del registry[name]

    def new(self) -> list[Channel | Receptor]:
        """What was added."""
        return [each for each in self._all() if id(each) not in self._before]

    def _all(self) -> list[Channel | Receptor]:
        return [each for registry in self.registries for each in registry.values()]


@contextmanager
def declaring(path: str) -> Iterator[Declarations]:
    """While the file at `path` is executed: what it had declared is forgotten, and comes back if it fails."""
    channels_before, receptors_before = dict(_channels), dict(_receptors)
    _under_way.append(path)
    declarations = Declarations()
    declarations.forget(path)
    try:
        yield declarations
    except BaseException:
        _channels.clear()
        _channels.update(channels_before)
        _receptors.clear()
        _receptors.update(receptors_before)
        raise
    finally:
        _under_way.pop()


def channels() -> Mapping[str, Channel]:
    """Every channel that is declared, by name."""
    return _channels


def receptors() -> Mapping[str, Receptor]:
    """Every receptor that is declared, by name."""
    return _receptors
