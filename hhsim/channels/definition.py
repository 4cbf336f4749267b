"""How a channel or a receptor is declared: one function of plain arithmetic and a few facts about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


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


_channels: dict[str, Channel] = {}
_receptors: dict[str, Receptor] = {}

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
            Receptor(name, {"e_rev": E_REV, **parameters}, decay, source, (decay.__doc__ or "").strip()),
        )
        return decay

    return declare


def _register(registry: dict[str, Any], definition: Channel | Receptor) -> None:
    known = registry.get(definition.name)
    if known is not None and known != definition:
        raise ValueError(f"{definition.name!r} is declared twice")
    registry[definition.name] = definition


def channels() -> Mapping[str, Channel]:
    """Every channel that is declared, by name."""
    return _channels


def receptors() -> Mapping[str, Receptor]:
    """Every receptor that is declared, by name."""
    return _receptors
