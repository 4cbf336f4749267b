"""What channels and receptors compute with the values of a config: rates that are finite, states that exist.

The definitions of hhsim are known to be right; those of the user's own are looked at before any work is done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import assert_never

from hhsim.channels import Channel, Receptor, all_channels, all_receptors
from hhsim.channels.checks import check, formula_of, is_own, rate_names, shown, title
from hhsim.errors import ChannelRefused, StateRefused
from hhsim.formulas.singular import Singularity, singularity
from hhsim.model import (
    CellType,
    Constant,
    FromFile,
    InitialValue,
    Mechanism,
    Model,
    Normal,
    Population,
    Steady,
    Uniform,
    mean,
    units,
)

LOW, HIGH = -200.0, 200.0  # mV: no potential of a cell that is meant to work lies outside
FARTHEST = 1000.0  # mV: reversal potentials beyond it are followed no further


def check_mechanisms(model: Model) -> None:
    """Raises ChannelRefused for a definition that cannot be run with its values in `model`, StateRefused for
    an initial value that does not exist."""
    for cell in model.cells.values():
        low, high = _range(cell)
        for mechanism in cell.channels:
            channel = all_channels()[mechanism.model]
            if is_own(channel):
                _check(channel)
                if channel.rates is not None:
                    _check_rates(cell, channel, mechanism, low, high)
        for mechanism in cell.receptors:
            receptor = all_receptors()[mechanism.model]
            if is_own(receptor):
                _check(receptor)
                _check_decay(cell, receptor, mechanism, model.run.dt)
    for population in model.populations.values():
        _check_steady(population, model.cell_of(population.name))


def _check(definition: Channel | Receptor) -> None:
    check(definition)
    for name, parameter in definition.parameters.items():
        try:
            if parameter.unit not in ("", "1"):
                units.read(f"1 {parameter.unit}", parameter.unit)
        except units.NotAQuantity as error:
            raise _refused(definition, f'parameter "{name}": {error}') from None


def _range(cell: CellType) -> tuple[float, float]:
    """The potentials that are looked at: wherever a cell may come to."""
    reversals = [mean(each.parameters["e_rev"]) for each in (*cell.channels, *cell.receptors)]
    inside = [min(max(each, -FARTHEST), FARTHEST) for each in reversals]
    return math.floor(min([LOW, *inside])), math.ceil(max([HIGH, *inside]))


def arguments_of(definition: Channel | Receptor, values: Mapping[str, float]) -> list[float]:
    """The arguments of its function after the first."""
    function = definition.decay if isinstance(definition, Receptor) else definition.rates
    assert function is not None
    return [values[name] for name in function.__code__.co_varnames[1 : function.__code__.co_argcount]]


def _means(mechanism: Mechanism) -> dict[str, float]:
    return {name: mean(value) for name, value in mechanism.parameters.items()}


def _check_rates(cell: CellType, channel: Channel, mechanism: Mechanism, low: float, high: float) -> None:
    formula = formula_of(channel)
    arguments = arguments_of(channel, _means(mechanism))
    where = _where(cell, mechanism, "channel", arguments)
    names = rate_names(channel)
    found = singularity(formula, arguments, low, high)
    if found is not None:
        path, line, _ = found.division
        raise ChannelRefused(shown(path), line, _singular(found, names) + where, title(channel))
    v = low
    while v <= high:
        for name, rate in zip(names, formula(v, *arguments), strict=True):
            if not math.isfinite(rate):
                raise _refused(channel, f"{name} is {_not_finite(rate)} at v = {v:g} mV{where}")
        v += 1.0


def _singular(found: Singularity, names: list[str]) -> str:
    several = [names[i] for i in found.results]
    verb = "is" if len(several) == 1 else "are"
    what = "0/0" if found.removable else "divided by zero"
    text = f"{' and '.join(several)} {verb} {what} at v = {found.v:.9g} mV, in {found.division.text}"
    if found.removable:
        text += "; write x/(exp(x) - 1) as exprelr(x) of hhsim.mathx, which has the limit 1 at x = 0"
    return text


def _check_decay(cell: CellType, receptor: Receptor, mechanism: Mechanism, dt: float) -> None:
    arguments = arguments_of(receptor, _means(mechanism))
    where = _where(cell, mechanism, "receptor", arguments)
    for step in (dt, dt / 2):
        (factor,) = formula_of(receptor)(step, *arguments)
        if not math.isfinite(factor) or factor < 0:
            raise _refused(receptor, f"its decay in {step:g} ms is {factor:g}{where}")


def _number(given: InitialValue | None) -> float | None:
    """The initial value that all cells share, if the config says it."""
    match given:
        case Constant(number):
            return number
        case None | Normal() | Uniform() | FromFile() | Steady():
            return None
        case _:
            assert_never(given)


def _check_steady(population: Population, cell: CellType) -> None:
    """That gates which begin at their steady value have one, where the potential is one number."""
    v = _number(population.initial.get("v"))
    if v is None:
        return
    for mechanism in cell.channels:
        channel = all_channels()[mechanism.model]
        steady = [
            gate for gate in channel.gates if population.initial.get(f"{mechanism.key}.{gate}") == Steady()
        ]
        if not steady:
            continue
        rates = formula_of(channel)(v, *arguments_of(channel, _means(mechanism)))
        for i, gate in enumerate(channel.gates):
            alpha, beta = rates[2 * i : 2 * i + 2]
            x = alpha / (alpha + beta) if alpha + beta != 0 else math.nan
            if gate in steady and not math.isfinite(x):
                raise StateRefused(population.name, f"{mechanism.key}.{gate}", v, alpha, beta)


def _where(cell: CellType, mechanism: Mechanism, what: str, arguments: list[float]) -> str:
    """Which values of the config it was, where there are some."""
    return f" (cell.{cell.name}.{what}.{mechanism.key})" if arguments else ""


def _refused(definition: Channel | Receptor, reason: str) -> ChannelRefused:
    return ChannelRefused(shown(definition.path), definition.line, reason, title(definition))


def _not_finite(rate: float) -> str:
    return "not a number" if math.isnan(rate) else "infinite"
